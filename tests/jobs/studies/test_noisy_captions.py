"""The world whose captions lie about their contents where they name an emotion."""

from dataclasses import replace
from random import Random

import torch

from jobs.evaluation.arms import load, run_arm
from jobs.evaluation.cases import draw_cases
from jobs.studies import noisy_captions as loose_captions
from jobs.studies.noisy_captions import evoking, loose_pair, main
from muse.method import Method
from muse.mini import WEIGHTS
from muse.mini.world.contents import PLACES, SUBJECTS
from muse.mini.world.scenes import content_prompt


def test_a_content_evokes_an_emotion_as_far_as_it_was_labelled_so():
    probs = evoking(SUBJECTS, "disgust")
    assert max(probs, key=probs.__getitem__) == "snake"
    assert min(probs.values()) > 0


def test_only_captions_with_an_emotion_lie_and_nine_of_ten_of_them_about_either_content():
    """4,000 pairs, seed 0. The content that is named was drawn evenly, so one drawn anew is the same by chance alone.

    Some 1,100 captions name an emotion: a share of them has a deviation of 1.2 points, the margin is four of them. That
    so many do has one of 0.7 points: 12 % do in the embedded world, and of the others a third is kept.
    """
    rng, named, lies = Random(0), 0, [0, 0]
    for _ in range(4000):
        scene, caption = loose_pair(rng)
        if ", evoking " not in caption:
            assert caption.startswith(content_prompt(scene.place, scene.subject))
            continue
        named += 1
        lies[0] += not caption.partition(", evoking")[0].endswith(PLACES[scene.place][0])
        lies[1] += not caption.startswith(f"a {scene.subject} ")
    assert abs(named / 4000 - 0.12 / (0.12 + 0.88 / 3)) < 0.03
    for count, names in zip(lies, (PLACES, SUBJECTS), strict=True):
        assert abs(count / named - 0.9 * (1 - 1 / len(names))) < 0.05


def test_it_is_trained_on_from_the_embedded_weights_and_loads_as_they_do(tmp_path, monkeypatch):
    short = replace(loose_captions.RECIPE, scenes=16, diffusion_steps=2, diffusion_batch=8)
    monkeypatch.setattr(loose_captions, "RECIPE", short)
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
