"""Contents: many, of every emotion, and drawn by how much they evoke one."""

from collections import Counter
from random import Random

import pytest

from muse.emotions import MIKELS
from muse.mini.world.contents import PLACES, SUBJECTS, draw_evoking, inherent, leaning


def test_there_are_at_least_24_places_and_32_subjects_with_counts_of_each_emotion():
    assert len(PLACES) >= 24
    assert len(SUBJECTS) >= 32
    for content in (*PLACES.values(), *SUBJECTS.values()):
        assert len(content.counts) == len(MIKELS)
        assert sum(content.counts) > 50


def test_contents_evoke_every_emotion_and_both_polarities():
    leanings = Counter(leaning(place, subject) for place in PLACES for subject in SUBJECTS)
    assert set(leanings) == set(MIKELS.labels)
    assert leaning("cemetery", "bench") == "sadness"
    assert sum(inherent("beach", "skull")) == pytest.approx(1)
    assert min(inherent("beach", "skull")) >= 0.01


@pytest.mark.parametrize("contents", [PLACES, SUBJECTS])
def test_contents_are_drawn_for_an_emotion_by_its_share_in_their_counts(contents):
    rng, at = Random(0), MIKELS.index("anger")
    drawn = Counter(draw_evoking(rng, contents, "anger") for _ in range(3000))
    shares = {name: c.counts[at] / sum(c.counts) for name, c in contents.items()}
    strongest = max(shares, key=lambda name: shares[name])
    expected = (shares[strongest] + 0.002) / (sum(shares.values()) + 0.002 * len(shares))
    assert drawn[strongest] / 3000 == pytest.approx(expected, abs=0.04)
