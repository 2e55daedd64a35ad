"""Figures of the exported models: the distance of two sets of pictures."""

import numpy as np
import pytest
import torch
from PIL import Image

from jobs.world.measure import kernel_distance, to_tensor


def features(count: int, shift: float, seed: int) -> torch.Tensor:
    return torch.randn(count, 16, generator=torch.Generator().manual_seed(seed)) + shift


def test_the_kernel_distance_is_zero_on_average_for_one_distribution_and_grows_with_a_shift():
    same = [kernel_distance(features(64, 0, s), features(64, 0, s + 100)) for s in range(40)]
    near = [kernel_distance(features(64, 0, s), features(64, 0.5, s + 100)) for s in range(40)]
    far = [kernel_distance(features(64, 0, s), features(64, 1.0, s + 100)) for s in range(40)]
    assert abs(np.mean(same)) < 0.02
    assert 0.2 < np.mean(near) < np.mean(far)


def test_the_kernel_distance_by_hand():
    """One feature: k(x, y) = (x y + 1)^3."""
    one, other = torch.tensor([[0.0], [1.0]]), torch.tensor([[2.0], [3.0]])
    # Within: k(0, 1) = 1 and k(2, 3) = 343; between: 1, 1, 27, 64.
    assert kernel_distance(one, other) == pytest.approx(1 + 343 - 2 * (1 + 1 + 27 + 64) / 4)


def test_pictures_become_pixels_between_zero_and_one():
    pixels = to_tensor([Image.new("RGB", (8, 4), (255, 0, 51))])
    assert pixels.shape == (1, 3, 4, 8)
    assert pixels[0, :, 0, 0].tolist() == pytest.approx([1.0, 0.0, 0.2])
