"""An image to the latents that it would have come from: DDIM run backwards."""

from __future__ import annotations

from torch import Tensor

from muse.diffusion.sampler import Schedule, split


def asked_at(schedule: Schedule, index: Tensor) -> Tensor:
    """The steps whose timestep is asked to undo steps `index`; the clean end has none of its own."""
    return (index + 1).clamp(max=len(schedule) - 1)


def undo(schedule: Schedule, index: Tensor, latents: Tensor, output: Tensor) -> Tensor:
    """Latents (b, c, h, w) at the start of steps `index` (b,), from those at their end. Guidance 1 only.

    Assumes that the noise predicted here also holds one step noisier (Dhariwal and Nichol, arXiv
    2105.05233, appendix F). `output` is the network's, asked at `asked_at(schedule, index)`.
    """
    alpha, sigma = schedule.level(asked_at(schedule, index), latents)
    _, eps = split(output, latents, alpha, sigma, schedule.prediction)
    onward, noise = schedule.level(index + 1, latents)
    alpha, sigma = schedule.level(index, latents)
    return alpha * (latents - noise * eps) / onward + sigma * eps
