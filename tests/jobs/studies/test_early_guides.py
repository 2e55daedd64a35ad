"""The study's images and prompts, and how a guide's hits are counted."""

import torch

from jobs.studies.early_guides import Predictions, factor_prompts, hits, write_scenes
from muse.emotions import MIKELS
from muse.mini import WEIGHTS


def test_scenes_lie_in_a_folder_for_each_emotion(tmp_path):
    write_scenes(tmp_path, 16, 3)
    assert {folder.name for folder in tmp_path.iterdir()} == {*MIKELS.labels}
    assert len([*tmp_path.glob("*/*.png")]) == 16


def test_prompts_have_every_emotion_in_turn_and_are_the_same_again():
    prompts, emotions = factor_prompts(16, 3)
    assert emotions.tolist() == [*range(8)] * 2
    assert len({*prompts}) > 8
    assert factor_prompts(16, 3)[0] == prompts


def test_hits_are_counted_for_each_step():
    steps = [torch.rand(4, 3, 64, 64, generator=torch.Generator().manual_seed(n)) for n in range(2)]
    shares = [hits(WEIGHTS / "guide", Predictions(steps, torch.full((4,), e))) for e in range(8)]
    assert shares[0].shape == (2, 4)
    # Each image is a hit of one emotion.
    assert (sum(shares) == 1).all()
