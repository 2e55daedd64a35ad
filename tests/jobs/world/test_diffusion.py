"""The loss of the diffusion model."""

import pytest
import torch

from jobs.world.diffusion import MIDDLE_WEIGHT, middle_weights, velocity_weights
from jobs.world.models import build_scheduler


def test_weights_bound_the_signal_to_noise_ratio_plus_one():
    # SNR + 1 = 1 / (1 - alpha): 1, 2, 5, 10 and 100.
    alphas = torch.tensor([0.0, 0.5, 0.8, 0.9, 0.99])
    assert velocity_weights(alphas, 5.0).tolist() == pytest.approx([1, 1, 1, 0.5, 0.05])


def test_without_a_bound_every_timestep_counts_the_same():
    weights = velocity_weights(build_scheduler().alphas_cumprod, float("inf"))
    assert torch.equal(weights, torch.ones(1000))


def test_errors_count_more_in_the_middle_and_as_much_in_all():
    weights = middle_weights(8)
    assert weights.mean().item() == pytest.approx(1)
    assert (weights[5, 4] / weights[0, 0]).item() == pytest.approx(MIDDLE_WEIGHT)
