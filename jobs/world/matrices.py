"""The weights that Muon moves: matrices, and convolutions seen as such."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def as_matrix(weight: Tensor) -> Tensor:
    """A linear weight (out, in) as it is, one of a convolution as (out, height * width * in)."""
    return weight if weight.ndim == 2 else weight.permute(0, 2, 3, 1).flatten(1)


def is_matrix(name: str, weight: Tensor) -> bool:
    """Whether a weight is a map between hidden features: not an embedding, nor the first or last
    convolution, whose rows Muon should not give the same size."""
    edge = any(part in name for part in ("conv_in", "conv_out", "quant_conv"))
    embedding = "token_embedding" in name or "position_embedding" in name
    return weight.ndim >= 2 and not edge and not embedding


class MatrixMuon:
    """torch's Muon (Jordan et al., 2024), which takes matrices alone, for convolutions too.

    Each step is one of orthonormal directions, of the size that AdamW's would have at that rate
    (Liu et al., "Muon is Scalable for LLM Training", arXiv 2502.16982).

    Args:
        weights: linear (out, in), or of convolutions (out, in, height, width) in memory format
            channels_last: its matrices share their memory.
    """

    def __init__(self, weights: list[nn.Parameter], rate: float):
        self.weights, self.matrices = weights, []
        for weight in weights:
            matrix = nn.Parameter(as_matrix(weight.data))
            if matrix.data_ptr() != weight.data_ptr():
                raise ValueError("the weights of convolutions must be channels_last")
            self.matrices.append(matrix)
        self.optimizer = torch.optim.Muon(
            self.matrices, lr=rate, weight_decay=0.01, adjust_lr_fn="match_rms_adamw"
        )

    def step(self) -> None:
        """Move the weights by their gradients, at the rate in `optimizer.param_groups`."""
        for weight, matrix in zip(self.weights, self.matrices, strict=True):
            matrix.grad = None if weight.grad is None else as_matrix(weight.grad)
        self.optimizer.step()
