"""Training scenes of each kind: drawn once, labelled by what they show."""

from functools import partial
from random import Random

import numpy as np
import pytest

from jobs.world import data as pieces
from jobs.world.scenes.data import TWO_EMOTIONS, Labelled, Pairs, draw_set, labels_of
from muse.emotions import MIKELS
from muse.mini.world.contents import PLACES, SUBJECTS, inherent
from muse.mini.world.scene import sample_scene


def test_labels_are_place_subject_and_shares_of_emotions():
    scene = sample_scene(Random(0), "forest", "cat", ["awe", "fear"])
    place, subject, *shares = labels_of(scene)
    assert (list(PLACES)[int(place)], list(SUBJECTS)[int(subject)]) == ("forest", "cat")
    assert shares == [0.5 if label in ("awe", "fear") else 0.0 for label in MIKELS.labels]


def test_scenes_are_drawn_once_at_the_size_asked_for(tmp_path, monkeypatch):
    monkeypatch.setattr(pieces, "PIECE", 4)
    drawn = draw_set(tmp_path, 6, seed=1, side=64, draw_one=Pairs(0.35))
    assert drawn.pixels.shape == (6, 64, 64, 3)
    assert drawn.labels.shape == (6, 10)
    assert all(drawn.captions)
    monkeypatch.setattr(pieces, "ProcessPoolExecutor", partial(pytest.fail, "drawn again"))
    again = draw_set(tmp_path, 6, seed=1, side=64, draw_one=Pairs(0.35))
    assert np.array_equal(again.pixels, drawn.pixels)
    assert again.captions == drawn.captions
    assert np.array_equal(again.labels, drawn.labels)


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
