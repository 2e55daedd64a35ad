"""Labelled images: rendered scenes, and halves of a corpus."""

import numpy as np
import torch

from jobs.evaluation.cases import Case
from jobs.evaluation.corpora import CONTENTS, LabelledImages, draw_scenes, halves
from muse.emotions import MIKELS
from muse.mini.world.contents import leaning


def test_natural_scenes_pair_contents_with_what_they_evoke():
    """A content's own emotion is common in natural draws, 1 in 8 in balanced ones (3 sigma)."""
    share = {}
    for natural in (True, False):
        scenes = draw_scenes(160, 5, natural)
        share[natural] = np.mean([leaning(c.place, c.subject) == c.emotion for c in scenes.cases])
        assert np.bincount(scenes.labels).tolist() == [20] * 8
    assert share[True] > 0.4
    assert share[False] < 0.125 + 3 * (0.125 * 0.875 / 160) ** 0.5


def test_halves_are_of_one_size_balanced_or_natural():
    """A corpus of every content under every emotion."""
    cases = [Case(p, s, emotion, 0, "") for p, s in CONTENTS for emotion in MIKELS.labels]
    mixes = halves(LabelledImages(torch.zeros(len(cases), 1), cases), 0)
    balanced, natural = mixes["balanced"], mixes["natural"]
    assert len(balanced.cases) == len(natural.cases) == len(cases) // 2
    assert len(set(np.bincount(balanced.labels))) == 1
    alike = [
        np.mean([leaning(c.place, c.subject) == c.emotion for c in m.cases])
        for m in (natural, balanced)
    ]
    assert alike[0] > alike[1] + 0.05
