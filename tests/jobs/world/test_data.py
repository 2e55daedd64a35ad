"""Training scenes are the same for any number of processes, and drawn once."""

from functools import partial

import numpy as np
import pytest

from jobs.world import data
from jobs.world.data import draw_scenes


def _same(one: data.Scenes, other: data.Scenes) -> bool:
    return (
        np.array_equal(one.pixels, other.pixels)
        and one.captions == other.captions
        and np.array_equal(one.labels, other.labels)
    )


@pytest.mark.parametrize("balanced", [False, True])
def test_scenes_are_the_same_for_any_number_of_processes_and_when_loaded_again(
    tmp_path, monkeypatch, balanced
):
    """In five pieces, the last one smaller."""
    monkeypatch.setattr(data, "PIECE", 5)
    pool, drawn = data.ProcessPoolExecutor, {}
    for processes in (1, 3):
        monkeypatch.setattr(data, "ProcessPoolExecutor", lambda _, n=processes: pool(n))
        drawn[processes] = draw_scenes(tmp_path / str(processes), 22, seed=4, balanced=balanced)
    assert _same(drawn[1], drawn[3])
    assert len(np.unique(drawn[1].pixels, axis=0)) == len(drawn[1].captions) == 22
    monkeypatch.setattr(data, "ProcessPoolExecutor", partial(pytest.fail, "drawn a second time"))
    assert _same(draw_scenes(tmp_path / "3", 22, seed=4, balanced=balanced), drawn[1])


def test_scenes_whose_drawing_was_cut_off_are_drawn_anew(tmp_path, monkeypatch):
    whole = draw_scenes(tmp_path / "whole", 6, seed=4, balanced=False)
    (tmp_path / "cut").mkdir()
    pixels = (tmp_path / "whole" / "pixels.npy").read_bytes()
    (tmp_path / "cut" / "pixels.npy").write_bytes(pixels[: len(pixels) // 2])
    assert _same(draw_scenes(tmp_path / "cut", 6, seed=4, balanced=False), whole)
