"""The study's images and prompts, and how a guide's hits are counted."""

import numpy as np
import torch

from jobs.studies.early_guides import (
    Figures,
    Predictions,
    against,
    factor_prompts,
    hits,
    table_header,
    table_row,
    write_scenes,
)
from muse.emotions import MIKELS
from muse.mini import WEIGHTS


def test_scenes_are_written_to_a_folder_for_each_emotion(tmp_path):
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


def test_a_gain_is_paired_with_the_first_share():
    first, values = np.array([0.0, 1.0, 0.0, 1.0]), np.ones(4)
    assert against(values, first)["gain"] == 0.5
    assert against(first, first) == {"mean": 0.5, "gain": 0.0, "low": 0.0, "high": 0.0}


def test_a_row_of_the_table_has_as_many_cells_as_its_header():
    figures = Figures([0.9], np.ones((20, 4)), np.ones(4), np.full(4, 50.0))
    compared = {name: against(row, row) for name, row in figures.paired().items()}
    row = table_row(0.5, figures, compared)
    assert row.count("|") == table_header(20).count("|")
    assert row.startswith("| 0.5 | 0.900 | 1.000 |")
