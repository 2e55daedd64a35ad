"""How probable a classifier finds each emotion, in logarithms that stay exact near 0 and 1."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True)
class Probabilities:
    """Probabilities P of n emotions in b images.

    Attributes:
        log_p: log P, (b, n), float32 (or the dtype of the logits), at most 0.
        log_not_p: log(1 - P), of the same shape and dtype, at most 0.
        multi_label: False if an image has exactly one emotion, so that each row of P sums to 1.
            True if it may have several or none, each probable by itself.
    """

    log_p: Tensor
    log_not_p: Tensor
    multi_label: bool

    @classmethod
    def from_softmax(cls, logits: Tensor) -> Probabilities:
        """Exactly one emotion an image: P = softmax(logits), logits (b, n)."""
        log_p = F.log_softmax(logits, dim=-1)
        # log(1 - P) without the cancellation of 1 - exp(log P) near P = 1.
        return cls(log_p, torch.log(-torch.expm1(log_p.clamp(max=-1e-6))), multi_label=False)

    @classmethod
    def from_sigmoid(cls, logits: Tensor) -> Probabilities:
        """Any number of emotions an image: P = sigmoid(logits), logits (b, n)."""
        return cls(F.logsigmoid(logits), F.logsigmoid(-logits), multi_label=True)

    def detach(self) -> Probabilities:
        """The same values without their graph."""
        return Probabilities(self.log_p.detach(), self.log_not_p.detach(), self.multi_label)

    @property
    def p(self) -> Tensor:
        """P, (b, n) in [0, 1], without a gradient."""
        return self.log_p.detach().exp()
