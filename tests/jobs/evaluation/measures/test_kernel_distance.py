"""The kernel distance: by hand, and its interval."""

import pytest
import torch

from jobs.evaluation.measures.kernel_distance import kernel_distance, kernel_interval


def test_the_distance_is_its_formula():
    """One feature: k(x, y) = (x y + 1)^3."""
    one, other = torch.tensor([[0.0], [1.0]]), torch.tensor([[2.0], [3.0]])
    # Within: k(0, 1) = 1 and k(2, 3) = 343; between: 1, 1, 27, 64.
    assert kernel_distance(one, other) == pytest.approx(1 + 343 - 2 * (1 + 1 + 27 + 64) / 4)


def test_an_interval_tells_a_shift_from_none():
    generator = torch.Generator().manual_seed(0)
    one, same = (torch.randn(64, 16, generator=generator) for _ in range(2))
    near, far = kernel_interval(one, same), kernel_interval(one, same + 1.0)
    assert near["mean"] == pytest.approx(1000 * kernel_distance(one, same), abs=1e-3)
    assert near["low"] < 0 < near["high"] < far["low"] < far["mean"] < far["high"]
    assert far["n"] == 64
