"""Training scenes of each kind: drawn once, the same for any number of processes, and labelled."""

from functools import partial
from random import Random

import numpy as np
import pytest

from jobs.world import data
from jobs.world.data import TWO_EMOTIONS, Labelled, Pairs, draw_set, labels_of
from muse.emotions import MIKELS
from muse.mini.world.contents import PLACES, SUBJECTS, inherent
from muse.mini.world.scene import sample_scene

PAIRS = Pairs(0.35)


def _same(one: data.Scenes, other: data.Scenes) -> bool:
    return (
        np.array_equal(one.pixels, other.pixels)
        and one.captions == other.captions
        and np.array_equal(one.labels, other.labels)
    )


@pytest.mark.parametrize("draw_one", [PAIRS, Labelled(0.5)])
def test_scenes_are_the_same_for_any_number_of_processes_and_when_loaded_again(
    tmp_path, monkeypatch, draw_one
):
    """In five pieces, the last one smaller."""
    monkeypatch.setattr(data, "PIECE", 5)
    pool, drawn = data.ProcessPoolExecutor, {}
    for processes in (1, 3):
        monkeypatch.setattr(data, "ProcessPoolExecutor", lambda _, n=processes: pool(n))
        drawn[processes] = draw_set(tmp_path / str(processes), 22, 4, 64, draw_one)
    assert _same(drawn[1], drawn[3])
    assert drawn[1].pixels.shape == (22, 64, 64, 3)
    assert drawn[1].labels.shape == (22, 10)
    assert len(np.unique(drawn[1].pixels, axis=0)) == len(drawn[1].captions) == 22
    monkeypatch.setattr(data, "ProcessPoolExecutor", partial(pytest.fail, "drawn a second time"))
    assert _same(draw_set(tmp_path / "3", 22, 4, 64, draw_one), drawn[1])


def test_scenes_whose_drawing_was_cut_off_are_drawn_anew(tmp_path):
    whole = draw_set(tmp_path / "whole", 6, 4, 64, PAIRS)
    (tmp_path / "cut").mkdir()
    pixels = (tmp_path / "whole" / "pixels.npy").read_bytes()
    (tmp_path / "cut" / "pixels.npy").write_bytes(pixels[: len(pixels) // 2])
    assert _same(draw_set(tmp_path / "cut", 6, 4, 64, PAIRS), whole)


def test_only_pairs_have_captions():
    assert PAIRS(Random(0))[1]
    assert Labelled(0.5)(Random(0))[1] == ""


def test_labels_are_place_subject_and_shares_of_emotions():
    scene = sample_scene(Random(0), "forest", "cat", ["awe", "fear"])
    place, subject, *shares = labels_of(scene)
    assert (list(PLACES)[int(place)], list(SUBJECTS)[int(subject)]) == ("forest", "cat")
    assert shares == [0.5 if label in ("awe", "fear") else 0.0 for label in MIKELS.labels]


def suiting(natural: float) -> float:
    """Mean P(first emotion | content) over scenes."""
    rng, probs = Random(0), []
    for _ in range(600):
        scene, _ = Labelled(natural)(rng)
        own = inherent(scene.place, scene.subject)
        probs.append(own[MIKELS.index(scene.emotions[0])])
    return float(np.mean(probs))


def test_emotions_suit_contents_in_the_share_asked_for():
    assert suiting(0.0) == pytest.approx(1 / len(MIKELS), abs=0.03)
    assert suiting(0.0) + 0.08 < suiting(0.5) < suiting(1.0) - 0.08


def test_a_share_of_scenes_shows_two_emotions():
    rng = Random(0)
    two = [len(Labelled(0.5)(rng)[0].emotions) == 2 for _ in range(2000)]
    assert np.mean(two) == pytest.approx(TWO_EMOTIONS, abs=0.04)
