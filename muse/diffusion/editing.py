"""Edits: at which denoising step they start, and what of their picture stays as it is."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor

from muse.diffusion.schedule.sampler import Schedule
from muse.method import Method

FROM_INVERSION, FROM_NOISE = "inversion", "noise"
"""Values of `Method.edit_start`."""

PARTS = 1000
"""Strengths are given to one of so many parts."""


def first_edit_step(schedule: Schedule, method: Method) -> int:
    """The denoising step at which an edit starts; the schedule's length if there is nothing to do.

    From an inversion it is never the very first, at which some schedules leave no signal at all.
    From noise the share is rounded as in diffusers' image-to-image pipelines, whose models of flow
    matching round up what others round down.
    """
    steps = len(schedule)
    if method.edit_start == FROM_INVERSION:
        return schedule.begin(min(max(1, round((1 - method.strength) * steps)), steps))
    starts = [step for step in range(steps) if step not in schedule.corrections]
    done_again = len(starts) * method.strength
    if schedule.prediction == "flow_prediction":
        skipped = int(len(starts) - done_again)
    else:
        skipped = len(starts) - int(done_again)
    return starts[skipped] if skipped < len(starts) else steps


def step_warning(schedule: Schedule, method: Method, edits: str) -> str | None:
    """That edits take no step, so that their pictures come back as they are; None if they do.

    Args:
        edits: what they are edits of, as `2 row(s)`.
    """

    def makes_step(strength: float) -> bool:
        return first_edit_step(schedule, method.replace(strength=strength)) < len(schedule)

    if makes_step(method.strength):
        return None
    parts = bisect_left(range(PARTS + 1), True, key=lambda part: makes_step(part / PARTS))
    if parts > PARTS:
        return (
            f"method.steps = {method.steps}: the edits of {edits} are not made in so few; "
            'give more, or method.edit_start = "noise"'
        )
    return (
        f"method.strength = {method.strength:g} leaves no step of method.steps = {method.steps}: "
        f"the images of {edits} come back without an emotion. The smallest strength that "
        f"makes a step is {parts / PARTS:g}"
    )


@dataclass
class KeptRegion:
    """What stays of an edit's picture: all that is outside its mask.

    The latents there follow those of the picture, at the noise level of each step, so that what is
    made inside fits (Lugmayr et al., arXiv 2201.09865, equation 8). The VAE would still change the
    pixels, so they are put back in the end.

    Attributes:
        picture: (3, h, w) in [0, 1].
        mask: bool (1, h, w), where the picture may change.
        latents: (c, h', w'), of the picture.
        noise: (c, h', w'), that was added at the start; None if it starts from an inversion.
        path: latents of the inversion at the start of each step that it has passed.
    """

    picture: Tensor
    mask: Tensor
    latents: Tensor
    noise: Tensor | None = None
    path: dict[int, Tensor] = field(default_factory=dict)

    @property
    def latent_mask(self) -> Tensor:
        """Bool (1, h', w'): a latent may change if any of its pixels may."""
        cells = (self.latents.shape[-2], self.latents.shape[-1])
        return F.adaptive_max_pool2d(self.mask.float(), cells) > 0

    def blend(self, schedule: Schedule, step: int, latents: Tensor) -> Tensor:
        """Latents (..., c, h', w') at the start of `step`, with the picture's own outside."""
        if step == len(schedule):
            own = self.latents
        elif self.noise is not None:
            own = schedule.noised(self.latents, self.noise, step)
        else:
            own = self.path[step]
        return torch.where(self.latent_mask, latents, own)

    def composite(self, pixels: Tensor) -> Tensor:
        """Pixels (..., 3, h, w) inside the mask, and the picture outside."""
        return torch.where(self.mask, pixels, self.picture)
