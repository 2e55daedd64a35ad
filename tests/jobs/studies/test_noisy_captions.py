"""A model whose captions are wrong about their contents where they name an emotion."""

from dataclasses import replace
from random import Random

import pytest
import torch

from jobs.evaluation.arms.models import load
from jobs.evaluation.arms.registry import run_arm
from jobs.evaluation.cases import draw_cases
from jobs.studies import noisy_captions
from jobs.studies.noisy_captions import evoking, main, noisy_pair
from muse.method import Method
from muse.mini import WEIGHTS
from muse.mini.world.contents import PLACES, SUBJECTS
from muse.mini.world.scenes import content_prompt


def test_a_content_evokes_an_emotion_by_its_share_of_labels():
    probs = evoking(SUBJECTS, "disgust")
    assert max(probs, key=probs.__getitem__) == "snake"
    assert min(probs.values()) > 0


def test_only_captions_with_an_emotion_are_wrong_and_nine_of_ten_of_them_about_either_content():
    """4,000 pairs, seed 0. Contents were drawn uniformly, so a new draw may be the same.

    About 1,100 captions name an emotion: a share of them has a standard deviation of 1.2 points,
        and
    the margin is four of these. The share that names one has 0.7 points: 12 % do in the embedded
    world, and a third of the others is kept.
    """
    rng, named, wrong = Random(0), 0, [0, 0]
    for _ in range(4000):
        scene, caption = noisy_pair(rng)
        if ", evoking " not in caption:
            assert caption.startswith(content_prompt(scene.place, scene.subject))
            continue
        named += 1
        wrong[0] += not caption.partition(", evoking")[0].endswith(PLACES[scene.place][0])
        wrong[1] += not caption.startswith(f"a {scene.subject} ")
    assert abs(named / 4000 - 0.12 / (0.12 + 0.88 / 3)) < 0.03
    for count, names in zip(wrong, (PLACES, SUBJECTS), strict=True):
        assert abs(count / named - 0.9 * (1 - 1 / len(names))) < 0.05


@pytest.mark.research
def test_fine_tuning_starts_from_the_embedded_weights_and_the_result_loads(tmp_path, monkeypatch):
    short = replace(noisy_captions.RECIPE, scenes=16, diffusion_steps=2, diffusion_batch=8)
    monkeypatch.setattr(noisy_captions, "RECIPE", short)
    main(work=tmp_path / "work", out=tmp_path / "out", threads=torch.get_num_threads())
    before, after = (
        load(weights).backbone.network.state_dict() for weights in (WEIGHTS, tmp_path / "out")
    )
    moved = [float((after[name] - value).abs().max()) for name, value in before.items()]
    assert 0 < max(moved) < 0.1
    assert (
        len(run_arm(tmp_path / "out", Method(steps=2), "plain", draw_cases(2, 0, editing=False))[0])
        == 2
    )
