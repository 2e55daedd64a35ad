"""An image to the latents that it would have come from: DDIM run backwards."""

from __future__ import annotations

import torch
from torch import Tensor

from muse.backbone import Backbone
from muse.sampler import Schedule, split, step


@torch.no_grad()
def invert(backbone: Backbone, latents: Tensor, context: Tensor, schedule: Schedule, start: int) -> Tensor:
    """Latents at the start of step `start` from which DDIM at guidance 1 leads back to `latents`.

    Each step assumes that the noise predicted here also holds one step noisier (Dhariwal and Nichol,
    arXiv 2105.05233, appendix F). It holds at guidance 1 only.

    Args:
        latents: (b, c, h, w), the encoded images.
        context: (b, length, d), the text conditioning that describes them.
        start: index into `schedule.timesteps`; 0 is pure noise, so 1 is the most that can be undone.
    """
    for index in reversed(range(start, len(schedule))):
        # The clean end has no timestep of its own: there the network is asked at the smallest one.
        asked = min(index + 1, len(schedule) - 1)
        output = backbone.predict(latents, schedule.timesteps[asked], context)
        alpha, sigma = float(schedule.alphas[asked]), float(schedule.sigmas[asked])
        _, eps = split(output, latents, alpha, sigma, schedule.prediction)
        x0 = (latents - float(schedule.sigmas[index + 1]) * eps) / float(schedule.alphas[index + 1])
        latents = step(x0, eps, float(schedule.alphas[index]), float(schedule.sigmas[index]))
    return latents
