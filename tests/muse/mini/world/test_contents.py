"""Places and subjects, and what they evoke by themselves."""

from collections import Counter

import pytest

from muse.mini.world.contents import PLACES, SUBJECTS, inherent, leaning


def test_there_are_twelve_places_and_sixteen_subjects():
    assert len(PLACES) == 12
    assert len(SUBJECTS) == 16


@pytest.mark.parametrize(
    ("place", "emotion"),
    [
        ("cemetery", "sadness"),
        ("landfill", "disgust"),
        ("pond", "contentment"),
        ("boxing ring", "anger"),
    ],
)
def test_contents_lean_as_emosets_annotators_said(place, emotion):
    assert Counter(leaning(place, subject) for subject in SUBJECTS).most_common(1)[0][0] == emotion
    for subject in SUBJECTS:
        probs = inherent(place, subject)
        assert sum(probs) == pytest.approx(1)
        assert min(probs) >= 0.01
