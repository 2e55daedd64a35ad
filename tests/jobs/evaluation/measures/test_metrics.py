"""Metrics on rendered scenes, against values known beforehand."""

from dataclasses import replace
from random import Random

import numpy as np
import pytest
import torch

from jobs.evaluation.cases import Case, draw_cases
from jobs.evaluation.measures.metrics import Examiners, successes
from muse.emotions import MIKELS
from muse.images import to_tensor
from muse.mini import WEIGHTS
from muse.mini.world.contents import leaning
from muse.mini.world.render import render
from muse.mini.world.scene import sample_scene


@pytest.fixture(scope="module")
def examiners():
    return Examiners(WEIGHTS)


def _scene(seed, place="beach", subject="dog", emotion="awe"):
    return to_tensor(render(sample_scene(Random(seed), place, subject, [emotion])))


def _cases(count, **changes):
    return [
        Case(
            **{"place": "beach", "subject": "dog", "emotion": "awe", "seed": 0, "oracle": ""}
            | changes
        )
    ] * count


def test_an_image_is_like_itself(examiners):
    scenes = torch.stack([_scene(1), _scene(2)])
    with pytest.warns(RuntimeWarning, match="divide by zero"):
        found = examiners.compare(scenes, scenes, _cases(2))
    assert found["ssim"] == pytest.approx([1, 1])
    assert np.isinf(found["psnr"]).all()
    assert found["feature_distance"] == pytest.approx([0, 0], abs=1e-6)
    assert found["clip_i"] == pytest.approx([1, 1], abs=1e-5)
    assert found["emo_s"].tolist() == [0, 0]


def test_psnr_of_a_tenth_is_twenty_decibels(examiners):
    scenes = _scene(1)[None] * 0.5
    assert examiners.compare(scenes + 0.1, scenes, _cases(1))["psnr"] == pytest.approx(
        [20], abs=1e-3
    )


def test_another_content_is_farther_than_another_light(examiners):
    """The same beach in another mood is closer than a skull on a stage."""
    source, moved, other = _scene(1), _scene(1, emotion="fear"), _scene(1, "stage", "skull", "fear")
    both = torch.stack([source, source])
    found = examiners.compare(torch.stack([moved, other]), both, _cases(2))
    assert 0 < found["feature_distance"][0] < found["feature_distance"][1] <= 4
    assert found["clip_i"][0] > found["clip_i"][1]


def test_an_edit_toward_the_target_gains(examiners):
    before, after = _scene(1, emotion="contentment")[None], _scene(1, emotion="fear")[None]
    toward, away = _cases(1, emotion="fear"), _cases(1, emotion="contentment")
    gain = examiners.compare(after, before, toward)["emo_s"]
    assert gain > 0.5
    assert examiners.compare(before, after, toward)["emo_s"] == pytest.approx(-gain)
    assert examiners.compare(after, before, away)["emo_s"] < -0.5


@pytest.mark.research
def test_success_and_content_are_those_of_the_rendered_scene(examiners):
    """One scene of each emotion; the classifiers are right in 98 %, so at most one is missed."""
    scenes = torch.stack([_scene(3, emotion=emotion) for emotion in MIKELS.labels])
    cases = [_cases(1, emotion=emotion)[0] for emotion in MIKELS.labels]
    found = examiners.measure(scenes, cases)
    for name in ("success_guide", "success_judge", "success_examiner", "content"):
        assert found[name].sum() >= 7
    assert (found["gap"] == found["success_guide"] - found["success_examiner"]).all()
    # Both CLIPs find the content of nearly every scene, so neither finds more than the other.
    assert np.abs(found["clip_gap"]).sum() <= 1
    wrong = examiners.measure(scenes, _cases(8, place="stage", subject="skull"))
    assert wrong["content"].sum() <= 1
    assert wrong["clip_t"].mean() < found["clip_t"].mean()


def test_the_inherent_emotion_is_left_where_it_is_found_and_not_the_target(examiners):
    """Rendered scenes of a content that evokes sadness by itself."""
    assert leaning("cemetery", "skull") == "sadness"
    scenes = torch.stack(
        [_scene(3, "cemetery", "skull", "sadness"), _scene(3, "cemetery", "skull", "amusement")]
    )
    cases = _cases(2, place="cemetery", subject="skull", emotion="amusement")
    found = examiners.measure(scenes, cases)
    assert found["inherent_left"].tolist() == [1, 0]
    assert found["moved"].tolist() == found["success_examiner"].tolist() == [0, 1]
    wanted = _cases(2, place="cemetery", subject="skull", emotion="sadness")
    assert examiners.measure(scenes, wanted)["inherent_left"].tolist() == [0, 0]


def test_a_target_succeeds_as_the_strongest_and_a_mixture_among_the_three_strongest():
    probs = np.array([[0.1, 0.4, 0.2, 0.05, 0.25, 0, 0, 0]] * 4)
    labels = MIKELS.labels
    cases = [
        *_cases(1, emotion=labels[1]),
        *_cases(1, emotion=labels[4]),
        *_cases(1, emotion=labels[4], second=labels[2]),
        *_cases(1, emotion=labels[1], second=labels[0]),
    ]
    assert successes(probs, cases).tolist() == [1, 0, 1, 0]


def test_scenes_are_closest_to_scenes_of_their_own_targets(examiners):
    """Rendered scenes of random contents in awe, against others of awe and of fear."""
    contents = draw_cases(24, 6, editing=False)
    scenes = torch.stack([_scene(c.seed, c.place, c.subject) for c in contents])
    awe, fear = (
        [replace(c, emotion=name, seed=c.seed + 1) for c in contents] for name in ("awe", "fear")
    )
    near, far = examiners.distance(scenes, awe), examiners.distance(scenes, fear)
    assert abs(near["mean"]) < 0.5 < far["mean"]
    assert examiners.distance(scenes[:1], awe[:1]) is None


def test_a_scene_has_clearer_content_than_noise(examiners):
    noise = torch.rand(3, 128, 128, generator=torch.Generator().manual_seed(0))
    found = examiners.measure(torch.stack([_scene(1), noise]), _cases(2))
    assert found["sem_c"][0] > 0.9
    assert found["right"].tolist() == (found["success_examiner"] * found["content"]).tolist()
