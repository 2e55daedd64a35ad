"""Classifiers of one label, of shares of labels and of several labels."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from jobs.world.classifiers import degrade, train_classifier
from jobs.world.recipe import Recipe

NAMES = ["dark", "bright"]
RECIPE = replace(Recipe(), classifier_batch=8)


def trained(tmp_path, labels: np.ndarray, multi_label: bool) -> torch.nn.Module:
    """A classifier of black and white pictures, after a few steps."""
    pixels = torch.zeros(32, 3, 64, 64, dtype=torch.uint8)
    pixels[16:] = 255
    return train_classifier(
        RECIPE, tmp_path, "tiny", "resnet", NAMES, 1, pixels, labels, 12, multi_label
    )


def logits(model: torch.nn.Module) -> torch.Tensor:
    """Of a black and of a white picture, (2, labels)."""
    with torch.inference_mode():
        inputs = torch.stack([torch.full((3, 64, 64), level) for level in (-1.0, 1.0)])
        return model(pixel_values=inputs).logits


@pytest.mark.parametrize("multi_label", [False, True])
def test_classifiers_learn_from_shares_of_labels(tmp_path, multi_label):
    shares = np.repeat(np.eye(2, dtype=np.float32), 16, axis=0)
    model = trained(tmp_path, shares, multi_label)
    assert logits(model).argmax(1).tolist() == [0, 1]
    expected = "multi_label_classification" if multi_label else None
    assert model.config.problem_type == expected


def test_a_picture_of_two_labels_has_both_only_with_a_sigmoid_for_each(tmp_path):
    shares = np.full((32, 2), 0.5, np.float32)
    assert (logits(trained(tmp_path, shares, True)) > 0.5).all()


def test_degraded_pixels_keep_their_range_and_follow_their_seed():
    pixels = torch.rand(16, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    one, again, other = (degrade(pixels, torch.Generator().manual_seed(s)) for s in (2, 2, 3))
    assert one.shape == pixels.shape
    assert 0 <= float(one.min()) <= float(one.max()) <= 1
    assert torch.equal(one, again)
    assert not torch.equal(one, other)
