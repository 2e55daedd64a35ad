"""What a classifier makes of images: how probable each emotion is, in logarithms that stay exact near 0 and 1."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True)
class Probabilities:
    """Probabilities P of emotions in images.

    Attributes:
        log_p: (b, n), float32, log P, each at most 0.
        log_rest: (b, n), float32, log(1 - P), each at most 0.
        multi_label: whether an image may have several emotions, or none, each probable by itself; otherwise it has one, and
            the rows of P sum to 1.
    """

    log_p: Tensor
    log_rest: Tensor
    multi_label: bool

    @classmethod
    def from_softmax(cls, logits: Tensor) -> Probabilities:
        """An image has one emotion: P = softmax(logits) (b, n)."""
        log_p = F.log_softmax(logits, dim=-1)
        # log(1 - P) without the cancellation of 1 - exp(log P) near P = 1.
        return cls(log_p, torch.log(-torch.expm1(log_p.clamp(max=-1e-6))), multi_label=False)

    @classmethod
    def from_sigmoid(cls, logits: Tensor) -> Probabilities:
        """An image may have several emotions, or none: P = sigmoid(logits) (b, n)."""
        return cls(F.logsigmoid(logits), F.logsigmoid(-logits), multi_label=True)

    def detach(self) -> Probabilities:
        return Probabilities(self.log_p.detach(), self.log_rest.detach(), self.multi_label)

    @property
    def p(self) -> Tensor:
        """P, (b, n) in [0, 1], without a gradient."""
        return self.log_p.detach().exp()
