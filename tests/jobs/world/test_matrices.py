"""Convolutions moved by Muon as matrices."""

import pytest
import torch
from torch import nn

from jobs.world.matrices import MatrixMuon, as_matrix, is_matrix

RATE = 0.01


def _convolution() -> nn.Conv2d:
    torch.manual_seed(3)
    return nn.Conv2d(5, 4, 3).to(memory_format=torch.channels_last)


def test_a_convolution_moves_as_its_matrix_would():
    conv = _convolution()
    matrix = nn.Parameter(as_matrix(conv.weight.detach().clone()))
    plain = torch.optim.Muon([matrix], lr=RATE, weight_decay=0.01, adjust_lr_fn="match_rms_adamw")
    muon = MatrixMuon([conv.weight], RATE)
    for step in range(3):
        gradient = torch.randn(conv.weight.shape, generator=torch.Generator().manual_seed(step))
        conv.weight.grad, matrix.grad = gradient, as_matrix(gradient)
        muon.step()
        plain.step()
    assert torch.equal(as_matrix(conv.weight), matrix)


def test_memory_that_cannot_be_shared_is_refused():
    with pytest.raises(ValueError, match="channels_last"):
        MatrixMuon([nn.Conv2d(5, 4, 3).weight], RATE)


@pytest.mark.parametrize(
    ("name", "shape", "moved"),
    [("unet.mid.conv1.weight", (4, 5, 3, 3), True), ("unet.to_q.weight", (4, 5), True),
     ("unet.mid.conv1.bias", (4,), False), ("unet.conv_in.weight", (4, 5, 3, 3), False),
     ("text.token_embedding.weight", (4, 5), False),
     ("unet.time_embedding.linear_1.weight", (4, 5), True)],
)  # fmt: skip
def test_maps_between_hidden_features_are_moved(name, shape, moved):
    assert is_matrix(name, torch.zeros(shape)) is moved
