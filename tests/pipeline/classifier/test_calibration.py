"""Figures of a classifier: the split, the temperature, the calibration error, the interval."""

import numpy as np
import pytest
import torch

from pipeline.classifier.calibration import calibration_error, examine, split, temperature_of


def test_the_split_keeps_every_emotion_in_every_part():
    emotions = np.array([0] * 50 + [1] * 5 + [2] * 3)
    parts = split(emotions, 0.2, seed=0)
    assert sorted(np.concatenate(parts)) == list(range(58))
    assert all({*emotions[part]} == {0, 1, 2} for part in parts)
    with pytest.raises(ValueError, match=r"2 image\(s\)"):
        split(np.array([0, 0, 0, 1, 1]), 0.2, seed=0)


def test_the_temperature_undoes_a_known_scale():
    """Labels drawn from softmax(logits): logits three times as large want a temperature of three,
    within 10 %."""
    generator = torch.Generator().manual_seed(0)
    logits = 2 * torch.randn(4000, 8, generator=generator)
    labels = torch.multinomial(logits.softmax(-1), 1, generator=generator)[:, 0]
    assert temperature_of(3 * logits, labels) == pytest.approx(3, rel=0.1)
    over, fair = (
        calibration_error((s * logits).softmax(-1).numpy(), labels.numpy()) for s in (3, 1)
    )
    assert fair < 0.03 < over


def test_the_figures_are_those_of_the_logits():
    logits = np.log(np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.6, 0.4]]))
    figures = examine(logits, np.array([0, 0, 1, 1]), 1.0, ("good", "bad"))
    assert figures["accuracy"] == 0.75
    assert figures["confusion"] == [[2, 0], [1, 1]]
    # Clopper and Pearson, 3 of 4.
    assert figures["interval"] == [0.1941, 0.9937]


def test_all_correct_is_not_certain():
    figures = examine(np.eye(2)[[0, 1] * 5 + [0]], np.array([0, 1] * 5 + [0]), 1.0, ("a", "b"))
    assert figures["accuracy"] == 1.0
    assert figures["interval"][0] == pytest.approx(0.7151, abs=1e-4)
