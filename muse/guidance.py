"""HOW, how it is optimised: one gradient step on the emotional tokens of a set of rows.

Everything is per row: loss, gradient clip, Adam moments. A row's tokens do not depend on its neighbours.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from muse.backbone import Backbone
from muse.sampler import split
from muse.tokens import Slots


@dataclass
class TokenState:
    """Emotional tokens of a batch and their Adam moments, float32.

    Attributes:
        tokens, first, second: (b, k, d).
        count: (b,), updates so far.
        scale: the mean norm of the word embeddings; learning rate and clip are relative to it.
    """

    tokens: Tensor
    first: Tensor
    second: Tensor
    count: Tensor
    scale: float

    @classmethod
    def start(cls, tokens: Tensor, scale: float) -> TokenState:
        return cls(
            tokens.clone(),
            torch.zeros_like(tokens),
            torch.zeros_like(tokens),
            torch.zeros(len(tokens), device=tokens.device),
            scale,
        )

    def update(self, rows: Tensor, gradient: Tensor, rate: float) -> None:
        """Adam (Kingma and Ba, arXiv 1412.6980) on `rows` alone; `gradient` is (len(rows), k, d).

        The step is `rate` of a word embedding's root mean square, so that one rate fits any text encoder.
        """
        beta1, beta2 = 0.9, 0.99
        self.count[rows] += 1
        self.first[rows] = beta1 * self.first[rows] + (1 - beta1) * gradient
        self.second[rows] = beta2 * self.second[rows] + (1 - beta2) * gradient.square()
        age = self.count[rows].view(-1, 1, 1)
        mean = self.first[rows] / (1 - beta1**age)
        spread = (self.second[rows] / (1 - beta2**age)).sqrt()
        length = self.scale / self.tokens.shape[-1] ** 0.5
        self.tokens[rows] -= rate * length * mean / (spread + 1e-12)


@dataclass(frozen=True)
class Reading:
    """What the guide sees in the one-step x0 of each row.

    Attributes:
        loss: (r,), the multi-emotion loss.
        probabilities: (r, n).
        gradient: (r, k, d), of the loss in the tokens.
    """

    loss: Tensor
    probabilities: Tensor
    gradient: Tensor


def read(
    backbone: Backbone,
    latents: Tensor,
    timestep: Tensor,
    noise: tuple[float, float],
    prediction: str,
    slots: Slots,
    tokens: Tensor,
    logits_of: Callable[[Tensor], Tensor],
    loss_of: Callable[[Tensor], Tensor],
) -> Reading:
    """Loss and gradient of tokens through one conditional prediction of x0 from detached latents.

    x0 = (z_t - sigma_t eps(z_t, t, c(prompt, V))) / alpha_t, the conditional branch alone
    (MinorityPrompt, arXiv 2410.07838). One backward over the sum of the rows' losses gives each row
    its own gradient, for no layer mixes rows.
    """
    alpha, sigma = noise
    with torch.enable_grad():
        leaf = tokens.detach().requires_grad_(True)
        context = backbone.embed(slots.ids, slots.places, leaf)
        output = backbone.predict(latents.detach(), timestep, context)
        x0, _ = split(output, latents.detach(), alpha, sigma, prediction)
        logits = logits_of(backbone.decode(x0))
        loss = loss_of(logits)
        (gradient,) = torch.autograd.grad(loss.sum(), leaf)
    return Reading(loss.detach(), logits.detach().softmax(-1), gradient)
