"""HOW, how it is optimised: one gradient step on the emotional tokens of a set of rows.

Everything is per row: loss, gradient clip, Adam moments. A row's tokens do not depend on its neighbours.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from muse.diffusion.backbones.base import Backbone, Conditioning
from muse.diffusion.sampler import Schedule, split
from muse.emotions.probabilities import Probabilities

CLIP = 10.0
"""Largest norm of a row's relative gradient that enters Adam's moments; one exploding reading must not still them."""


@dataclass
class TokenState:
    """Emotional tokens of a batch and their Adam moments, float32.

    Attributes:
        tokens, first, second: (b, k, d).
        count: (b,), updates so far.
        scale: (d,), root mean square of what the tokens stand among; learning rate and clip are relative to it.
    """

    tokens: Tensor
    first: Tensor
    second: Tensor
    count: Tensor
    scale: Tensor

    @classmethod
    def start(cls, tokens: Tensor, scale: Tensor) -> TokenState:
        count = torch.zeros(len(tokens), device=tokens.device)
        return cls(tokens.clone(), torch.zeros_like(tokens), torch.zeros_like(tokens), count, scale)

    def reset(self, row: int, tokens: Tensor) -> None:
        """Begin again from `tokens` (k, d)."""
        self.tokens[row], self.first[row], self.second[row], self.count[row] = tokens, 0.0, 0.0, 0.0

    def update(self, rows: Tensor, gradient: Tensor, rate: float) -> None:
        """Adam (Kingma and Ba, arXiv 1412.6980) on `rows` alone; `gradient` is (len(rows), k, d).

        The step is `rate` of a word embedding's root mean square, so that one rate fits any text encoder.
        """
        beta1, beta2 = 0.9, 0.99
        relative = gradient * self.scale
        norm = relative.flatten(1).norm(dim=1).view(-1, 1, 1)
        relative = relative * (CLIP / norm.clamp(min=CLIP))
        self.count[rows] += 1
        self.first[rows] = beta1 * self.first[rows] + (1 - beta1) * relative
        self.second[rows] = beta2 * self.second[rows] + (1 - beta2) * relative.square()
        age = self.count[rows].view(-1, 1, 1)
        mean = self.first[rows] / (1 - beta1**age)
        spread = (self.second[rows] / (1 - beta2**age)).sqrt()
        self.tokens[rows] -= rate * self.scale * mean / (spread + 1e-12)


@dataclass(frozen=True)
class Reading:
    """What the guide sees in the one-step x0 of each row.

    Attributes:
        loss: (r,), the multi-emotion loss.
        probs: (r, n), without a gradient.
        gradient: (r, k, d), of the loss in the tokens.
        output: (r, c, h, w), the conditional prediction that was read; it serves the denoising step too.
    """

    loss: Tensor
    probs: Probabilities
    gradient: Tensor
    output: Tensor


def read(
    backbone: Backbone,
    schedule: Schedule,
    index: Tensor,
    latents: Tensor,
    tokens: Tensor,
    conditioning_of: Callable[[Tensor], Conditioning],
    odds_of: Callable[[Tensor], Probabilities],
    loss_of: Callable[[Probabilities], Tensor],
) -> Reading:
    """Loss and gradient of tokens (r, k, d) through one conditional prediction of x0 from detached latents.

    x0 = (z_t - sigma_t eps(z_t, t, c(prompt, V))) / alpha_t, the conditional branch alone
    (MinorityPrompt, arXiv 2410.07838). One backward over the sum of the rows' losses gives each row
    its own gradient, for no layer mixes rows; rows may stand at different steps `index` (r,).
    """
    latents = latents.detach()
    alpha, sigma = schedule.level(index, latents)
    with torch.enable_grad():
        leaf = tokens.detach().requires_grad_(True)
        output = backbone.predict(
            latents, schedule.timesteps[index].to(latents.device), conditioning_of(leaf)
        )
        x0, _ = split(output, latents, alpha, sigma, schedule.prediction)
        probs = odds_of(backbone.codec.preview(x0))
        loss = loss_of(probs)
        (gradient,) = torch.autograd.grad(loss.sum(), leaf)
    return Reading(loss.detach(), probs.detach(), gradient, output.detach())
