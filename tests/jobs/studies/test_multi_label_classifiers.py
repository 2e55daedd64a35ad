"""Classifiers of images that may have several emotions."""

from random import Random

import pytest
import torch

from jobs.evaluation.cases import mixed_scene
from jobs.studies import multi_label_classifiers as several_moods
from jobs.studies.multi_label_classifiers import draw, figures, main
from muse.classifiers import load_classifier
from muse.emotions.probabilities import Probabilities
from muse.mini import WEIGHTS
from muse.mini.world.factors import MOODS


def test_a_mixed_scene_has_a_prop_of_each_and_light_and_sky_of_one_each():
    """Two emotions that share no sky and no prop, so that each factor tells whose it is."""
    rng, names = Random(0), ("contentment", "anger")
    for _ in range(50):
        scene = mixed_scene(rng, "beach", "dog", names)
        skies = [name for name in names if scene.sky in MOODS[name].skies]
        props = [name for prop in scene.props for name in names if prop in MOODS[name].props]
        assert len(skies) == 1
        assert sorted(props) == sorted(names)
        # The second prop is of the one whose sky it is; the first of the one whose light it is, as far as light tells.
        assert props[1] == skies[0]


def test_half_of_the_scenes_have_one_emotion_and_half_two_and_the_draw_repeats():
    pixels, emotions = draw(20, 3)
    assert pixels.shape == (20, 3, 64, 64)
    assert emotions.sum(1).tolist() == [1, 2] * 10
    again, told = draw(20, 3)
    assert torch.equal(pixels, again)
    assert torch.equal(emotions, told)


def test_figures_are_counted_as_they_say(tmp_path, monkeypatch):
    """Four scenes and a classifier of known answers: one single right, one pair right, one emotion too many."""
    p = torch.full((4, 8), 0.1)
    emotions = torch.zeros(4, 8)
    for row, there, seen in ((0, [2], [2]), (1, [1, 3], [1, 3]), (2, [0], [4]), (3, [5, 6], [5])):
        emotions[row, there] = 1
        p[row, seen] = 0.9
    p[3, 0] = 0.2

    class Known:
        def probs(self, pixels):
            return Probabilities.from_sigmoid(p.logit())

    monkeypatch.setattr(several_moods.FolderClassifier, "from_pretrained", lambda folder: Known())
    found = figures(tmp_path, torch.zeros(4, 3, 64, 64, dtype=torch.uint8), emotions)
    assert found["one"] == 0.5
    assert found["two"] == 0.5
    assert found["there"] == pytest.approx(4 / 6)
    assert found["not there"] == pytest.approx(1 / 26)


def test_they_are_trained_on_and_load_as_multi_label(tmp_path, monkeypatch):
    monkeypatch.setattr(several_moods, "ROLES", {"guide": (1, 2), "judge": (2, 2)})
    for name, value in {"SCENES": 48, "HELD_OUT": 8}.items():
        monkeypatch.setattr(several_moods, name, value)
    main(work=tmp_path / "work", out=tmp_path / "out", threads=torch.get_num_threads())
    for role in several_moods.ROLES:
        before, after = load_classifier(WEIGHTS / role), load_classifier(tmp_path / "out" / role)
        assert after.multi_label
        assert not before.multi_label
        moved = [
            float((one - other).abs().max())
            for one, other in zip(before.parameters(), after.parameters(), strict=True)
        ]
        assert max(moved) > 0
    assert not load_classifier(tmp_path / "out" / "examiner").multi_label
