"""From an image's latents to those that it would have been denoised from: DDIM run backwards."""

from __future__ import annotations

import torch
from torch import Tensor

from muse.diffusion.backbones.base import Backbone, Conditioning
from muse.diffusion.schedule.sampler import Schedule, to_x0_eps


def inversion_index(schedule: Schedule, index: Tensor) -> Tensor:
    """The steps (b,) whose timestep the network is given when steps `index` (b,) are inverted.

    That is the noise level from which the inversion starts, index + 1; the clean end has no
    timestep of its own and takes the last one.
    """
    return (index + 1).clamp(max=len(schedule) - 1)


def ddim_invert_step(schedule: Schedule, index: Tensor, latents: Tensor, output: Tensor) -> Tensor:
    """Latents (b, c, h, w) at the start of steps `index` (b,), from those at their end.

    It assumes that the noise predicted here also holds one step noisier (Dhariwal and Nichol, arXiv
    2105.05233, appendix F), which is good at a guidance scale of 1 only.

    Args:
        latents: at the end of each row's step.
        output: of the network for these latents, at the timestep of `inversion_index`.
    """
    alpha, sigma = schedule.level(inversion_index(schedule, index), latents)
    _, eps = to_x0_eps(output, latents, alpha, sigma, schedule.prediction)
    alpha_next, sigma_next = schedule.level(index + 1, latents)
    alpha, sigma = schedule.level(index, latents)
    return alpha * (latents - sigma_next * eps) / alpha_next + sigma * eps


def ddim_invert(
    backbone: Backbone,
    schedule: Schedule,
    latents: Tensor,
    conditioning: Conditioning,
    first_step: int,
) -> list[Tensor]:
    """The path from an image's latents (b, c, h, w) back to the start of `first_step`.

    Returns:
        Latents at the start of each step from `first_step` on, and the given ones at the end:
        entry k belongs to step `first_step` + k.
    """
    path = [latents]
    for step in reversed(range(first_step, len(schedule))):
        if schedule.stays(step):
            path.insert(0, path[0])
            continue
        index = torch.full((len(latents),), step)
        timesteps = schedule.timesteps[inversion_index(schedule, index)].to(latents.device)
        output = backbone.predict(path[0], timesteps, conditioning)
        path.insert(0, ddim_invert_step(schedule, index, path[0], output))
    return path
