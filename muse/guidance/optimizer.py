"""HOW, the optimiser: gradients of the emotional tokens through one prediction, and Adam on them.

Everything is per row: loss, gradient norm, Adam's moments. A row's tokens do not depend on the
other rows of its batch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from muse.diffusion.backbones.base import Backbone, Conditioning
from muse.diffusion.schedule.sampler import Schedule, to_x0_eps
from muse.emotions.probabilities import Probabilities

MAX_GRADIENT_NORM = 10.0
"""Norm to which a row's relative gradient is clipped.

Otherwise one exploding gradient would fill Adam's second moment and stop all later updates.
"""

BETA1, BETA2, EPSILON = 0.9, 0.99, 1e-12
"""Adam's decay rates and the constant of its denominator."""


@dataclass
class TokenState:
    """The emotional tokens of b rows and their Adam moments, float32.

    Attributes:
        tokens, first_moment, second_moment: (b, k, d).
        updates: (b,), the updates so far.
        scale: (d,), root mean square of a word embedding's entries. Learning rate and gradient norm
            are relative to it.
    """

    tokens: Tensor
    first_moment: Tensor
    second_moment: Tensor
    updates: Tensor
    scale: Tensor

    @classmethod
    def start(cls, tokens: Tensor, scale: Tensor) -> TokenState:
        """Begin with these tokens (b, k, d) and scale (d,)."""
        updates = torch.zeros(len(tokens), device=tokens.device)
        zeros = torch.zeros_like(tokens)
        return cls(tokens.clone(), zeros, zeros.clone(), updates, scale)

    def reset(self, row: int, tokens: Tensor) -> None:
        """Begin one row again, with tokens (k, d)."""
        self.tokens[row] = tokens
        self.first_moment[row] = 0.0
        self.second_moment[row] = 0.0
        self.updates[row] = 0.0

    def update(self, rows: Tensor, gradient: Tensor, learning_rate: float) -> None:
        """One step of Adam (Kingma and Ba, arXiv 1412.6980) on `rows` (r,) alone.

        Args:
            gradient: (r, k, d).
            learning_rate: in units of `scale`, so that one rate fits any text encoder.
        """
        relative = gradient * self.scale
        norm = relative.flatten(1).norm(dim=1).view(-1, 1, 1)
        relative = relative * (MAX_GRADIENT_NORM / norm.clamp(min=MAX_GRADIENT_NORM))
        self.updates[rows] += 1
        self.first_moment[rows] = BETA1 * self.first_moment[rows] + (1 - BETA1) * relative
        self.second_moment[rows] = (
            BETA2 * self.second_moment[rows] + (1 - BETA2) * relative.square()
        )
        updates = self.updates[rows].view(-1, 1, 1)
        mean = self.first_moment[rows] / (1 - BETA1**updates)
        root_mean_square = (self.second_moment[rows] / (1 - BETA2**updates)).sqrt()
        self.tokens[rows] -= learning_rate * self.scale * mean / (root_mean_square + EPSILON)


@dataclass(frozen=True)
class GuideEvaluation:
    """What the guide finds in the one-step x0 of r rows. Nothing carries a graph.

    Attributes:
        loss: (r,), the multi-emotion loss and the content term.
        content: (r,), the content term alone; 0 where content is kept.
        probs: (r, n).
        gradient: (r, k, d), of the loss with respect to the tokens.
        output: (r, c, h, w), the network's conditional output that was evaluated. It serves the
            denoising step, too.
    """

    loss: Tensor
    content: Tensor
    probs: Probabilities
    gradient: Tensor
    output: Tensor


def evaluate_with_gradient(
    backbone: Backbone,
    schedule: Schedule,
    index: Tensor,
    latents: Tensor,
    tokens: Tensor,
    conditioning_of: Callable[[Tensor], Conditioning],
    pixels_of: Callable[[Tensor], Tensor],
    probs_of: Callable[[Tensor], Probabilities],
    loss_of: Callable[[Probabilities], Tensor],
    content_of: Callable[[Tensor], Tensor],
) -> GuideEvaluation:
    """Loss of tokens V through one conditional prediction of x0, and its gradient in V.

    x0 = (z_t - sigma_t eps(z_t, t, c(prompt, V))) / alpha_t from detached latents, the conditional
    branch alone (MinorityPrompt, arXiv 2410.07838). No layer mixes rows, so that one backward pass
    over the sum of the losses gives each row its own gradient.

    Args:
        index: int64 (r,), the denoising step of each row.
        latents: (r, c, h, w), at the start of these steps.
        tokens: V, (r, k, d).
        conditioning_of: the conditioning of the rows with such tokens.
        pixels_of: pixels (r, 3, h, w), about [0, 1], of the rows' x0 as they are seen.
        probs_of: the guide, on these pixels.
        loss_of: the loss (r,) of its probabilities (r, n).
        content_of: the content term (r,) of the same pixels.
    """
    latents = latents.detach()
    alpha, sigma = schedule.level(index, latents)
    with torch.enable_grad():
        leaf = tokens.detach().requires_grad_(True)
        timesteps = schedule.timesteps[index].to(latents.device)
        output = backbone.predict(latents, timesteps, conditioning_of(leaf))
        x0, _ = to_x0_eps(output, latents, alpha, sigma, schedule.prediction)
        pixels = pixels_of(x0)
        probs, content = probs_of(pixels), content_of(pixels)
        loss = loss_of(probs) + content
        (gradient,) = torch.autograd.grad(loss.sum(), leaf)
    return GuideEvaluation(
        loss.detach(), content.detach(), probs.detach(), gradient, output.detach()
    )
