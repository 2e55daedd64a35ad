"""Metrics against values known beforehand."""

import numpy as np
import pytest
import torch

from jobs.evaluation.cases import Case
from jobs.evaluation.metrics import (
    Examiners,
    Made,
    at_equal_success,
    by_task,
    confusion,
    interval,
    pair_figures,
    pair_interval,
)
from jobs.evaluation.tables import edits_table
from muse.emotions import MIKELS
from muse.images import to_tensor
from muse.mini import WEIGHTS
from muse.mini.world.contents import leaning
from muse.mini.world.scenes import render, sample_scene


@pytest.fixture(scope="module")
def examiners():
    return Examiners(WEIGHTS)


def _scene(seed, place="beach", subject="dog", emotion="awe"):
    from random import Random

    return to_tensor(render(sample_scene(Random(seed), place, subject, emotion)))


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


def test_other_content_is_farther_than_other_light(examiners):
    """The same beach in another mood, against a skull on a stage: content distances must tell them apart."""
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


def test_success_and_content_are_what_was_drawn(examiners):
    """One scene of each emotion; the classifiers know held-out scenes to 98 %, so at most one is missed."""
    scenes = torch.stack([_scene(3, emotion=emotion) for emotion in MIKELS.labels])
    cases = [_cases(1, emotion=emotion)[0] for emotion in MIKELS.labels]
    found = examiners.measure(scenes, cases)
    for name in ("success_guide", "success_judge", "success_examiner", "content"):
        assert found[name].sum() >= 7
    assert (found["gap"] == found["success_guide"] - found["success_examiner"]).all()
    wrong = examiners.measure(scenes, _cases(8, place="stage", subject="skull"))
    assert wrong["content"].sum() <= 1
    assert wrong["clip_t"].mean() < found["clip_t"].mean()


def test_the_interval_of_a_coin():
    """A mean of 100 fair throws has a deviation of 0.05: 95 % are 0.098 to each side. Margin 0.02."""
    found = interval(np.array([0.0, 1.0] * 50))
    assert found["n"] == 100
    assert found["mean"] == 0.5
    assert found["low"] == pytest.approx(0.402, abs=0.02)
    assert found["high"] == pytest.approx(0.598, abs=0.02)
    assert interval(np.array([0.0, 1.0] * 50)) == found
    assert interval(np.full(5, 0.25)) == {"mean": 0.25, "low": 0.25, "high": 0.25, "n": 5}


def test_distances_are_averaged_over_pairs_that_belong_together():
    distances = np.array([[0, 1, 9], [1, 0, 9], [9, 9, 0]], float)
    together = np.array([[1, 1, 0], [1, 1, 0], [0, 0, 1]], bool)
    assert pair_interval(distances, together) == {"mean": 1.0, "low": 1.0, "high": 1.0, "n": 1}


def test_the_interval_over_pairs_resamples_images():
    """Points on a line, distance |x - y|. The spread of 400 fresh samples is the truth; margin a quarter."""
    rng = np.random.default_rng(1)

    def mean_distance(points):
        apart = np.abs(points[:, None] - points)
        return apart, apart[~np.eye(len(points), dtype=bool)].mean()

    truth = np.std([mean_distance(rng.normal(size=40))[1] for _ in range(400)])
    widths = []
    for _ in range(20):
        apart, _ = mean_distance(rng.normal(size=40))
        found = pair_interval(apart, np.ones((40, 40), bool))
        assert found["n"] == 780
        widths.append((found["high"] - found["low"]) / (2 * 1.96))
    assert np.mean(widths) == pytest.approx(truth, rel=0.25)


def test_confusion_counts_target_by_seen():
    cases = _cases(2, emotion="awe") + _cases(1, emotion="fear")
    probs = np.zeros((3, 8))
    probs[0, MIKELS.index("awe")] = probs[1, MIKELS.index("fear")] = probs[
        2, MIKELS.index("fear")
    ] = 1
    table = np.array(confusion(probs, cases))
    assert table.sum() == 3
    awe, fear = MIKELS.index("awe"), MIKELS.index("fear")
    assert (table[awe, awe], table[awe, fear], table[fear, fear]) == (1, 1, 1)


def test_a_pair_has_its_mass_and_its_ranks():
    probs = np.array([[0.4, 0.3, 0.1, 0.05, 0.15, 0, 0, 0], [0.4, 0.3, 0.1, 0.05, 0.15, 0, 0, 0]])
    cases = [
        *_cases(1, emotion=MIKELS.labels[0], second=MIKELS.labels[4]),
        *_cases(1, emotion=MIKELS.labels[0], second=MIKELS.labels[2]),
    ]
    found = pair_figures(probs, cases)
    assert found["mass"] == pytest.approx([0.55, 0.5])
    assert found["top3"].tolist() == [1, 0]


def test_a_family_is_compared_at_equal_success():
    gentle, worse = {"success_examiner": 0.2, "ssim": 0.8}, {"success_examiner": 0.2, "ssim": 0.5}
    curve = [gentle, worse, {"success_examiner": 0.6, "ssim": 0.2}]
    assert at_equal_success(curve, 0.2) == gentle
    assert at_equal_success(curve, 0.4) == {"success_examiner": 0.4, "ssim": 0.5}
    assert at_equal_success(curve, 0.6) == {"success_examiner": 0.6, "ssim": 0.2}


@pytest.mark.parametrize("success", [0.1, 0.9])
def test_what_no_setting_reaches_is_compared_with_nothing(success):
    curve = [{"success_examiner": 0.2, "ssim": 0.8}, {"success_examiner": 0.6, "ssim": 0.2}]
    assert at_equal_success(curve, success) is None
    table = list(edits_table({"arms": {}, "sdedit_at_equal_success": None}))
    assert "at no strength" in table[-1]
    assert len({line.count("|") for line in table}) == 1


def test_the_inherent_emotion_is_left_where_it_is_seen_and_another_is_wanted(examiners):
    """Rendered scenes of a content that evokes sadness by itself, as the examiner reads them."""
    assert leaning("cemetery", "skull") == "sadness"
    scenes = torch.stack(
        [_scene(1, "cemetery", "skull", "sadness"), _scene(1, "cemetery", "skull", "amusement")]
    )
    cases = _cases(2, place="cemetery", subject="skull", emotion="amusement")
    found = examiners.measure(scenes, cases)
    assert found["inherent_left"].tolist() == [1, 0]
    assert found["moved"].tolist() == found["success_examiner"].tolist() == [0, 1]
    wanted = _cases(2, place="cemetery", subject="skull", emotion="sadness")
    assert examiners.measure(scenes, wanted)["inherent_left"].tolist() == [0, 0]


def test_hard_edits_are_told_apart():
    source = torch.zeros(3, 64, 64)
    cases = [
        *_cases(1, source=source),
        *_cases(1, place="cemetery", subject="skull", source=source),
    ]
    told = by_task(
        Made(cases, {"content": np.array([1.0, 0.0])}, np.zeros((2, 8)), None, [], seconds=3.0)
    )
    assert set(told) == {"editing", "hard_edits"}
    assert told["hard_edits"]["content"] == {"mean": 0, "low": 0, "high": 0, "n": 1}


def test_seconds_have_no_interval_and_those_of_some_are_not_told():
    """Two images, one of them hard: batches are timed as a whole."""
    cases = [*_cases(1), *_cases(1, place="cemetery", subject="skull")]
    assert [case.hard for case in cases] == [False, True]
    made = Made(cases, {"content": np.array([1.0, 0.0])}, np.zeros((2, 8)), None, [], seconds=3.0)
    told = by_task(made)
    assert told["generation"]["seconds"] == {"mean": 1.5, "n": 2}
    assert "seconds" not in told["hard"]
    assert told["hard"]["content"]["mean"] == 0
