"""The loss of the diffusion models, and how they are saved."""

import pytest
import torch
from safetensors.torch import load_file, save_file

from jobs.world.diffusion import middle_weights, name_as_published, velocity_weights
from jobs.world.models import build_scheduler
from muse.mini import WEIGHTS


def test_weights_bound_the_signal_to_noise_ratio_plus_one():
    # SNR + 1 = 1 / (1 - alpha): 1, 2, 5, 10 and 100.
    alphas = torch.tensor([0.0, 0.5, 0.8, 0.9, 0.99])
    assert velocity_weights(alphas, 5.0).tolist() == pytest.approx([1, 1, 1, 0.5, 0.05])


def test_without_a_bound_every_timestep_counts_the_same():
    weights = velocity_weights(build_scheduler().alphas_cumprod, float("inf"))
    assert torch.equal(weights, torch.ones(1000))


def test_text_encoders_have_the_names_that_every_release_of_transformers_reads(tmp_path):
    names = load_file(WEIGHTS / "diffusion" / "text_encoder" / "model.safetensors").keys()
    assert all(name.startswith("text_model.") for name in names)
    file = tmp_path / "model.safetensors"
    save_file({"embeddings.weight": torch.ones(2), "text_model.bias": torch.zeros(2)}, file)
    for _ in range(2):
        name_as_published(file)
        assert load_file(file).keys() == {"text_model.embeddings.weight", "text_model.bias"}


def test_errors_count_more_in_the_middle_and_as_much_in_all():
    weights = middle_weights(16, 4.0)
    assert weights.mean().item() == pytest.approx(1)
    assert (weights[10, 8] / weights[0, 0]).item() == pytest.approx(4)
    assert torch.equal(middle_weights(16, 1.0), torch.ones(16, 16))
