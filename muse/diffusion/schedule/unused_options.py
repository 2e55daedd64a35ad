"""Settings in `method.scheduler` that have no effect beside the others, in words.

Which settings a scheduler reads depends on its other settings. So it is tried: the images of a
stand-in for the network are compared with and without each setting.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from muse.diffusion.schedule.sampler import Schedule, denoise_step
from muse.diffusion.schedule.schedulers import choose_scheduler
from muse.diffusion.schedule.schedules import schedule_of
from muse.diffusion.schedule.setting_values import defaults_of
from muse.method import Method

PATCHES = (1000, 3000)
"""Sizes of images for which they are tried; each shift by the size has an effect at one of them."""

BY_SIZE = ("base_shift", "max_shift", "base_image_seq_len", "max_image_seq_len", "time_shift_type")
"""What is read by `use_dynamic_shifting` alone."""

KARRAS = ("use_karras_sigmas", True)

READ_WITH: dict[str, tuple[str, str | bool]] = {
    "sigma_min": KARRAS,
    "sigma_max": KARRAS,
    "steps_offset": ("timestep_spacing", "leading"),
    **dict.fromkeys(BY_SIZE, ("use_dynamic_shifting", True)),
}
"""The other setting with which one may be read."""


def unused_options(method: Method, scheduler: Mapping[str, Any]) -> Iterator[str]:
    """A sentence for each of them.

    A setting that repeats what is so without it is not named.

    Args:
        scheduler: the config of the model's scheduler.

    Raises:
        ValueError: the method's sampler cannot run the model.
    """
    if not method.scheduler:
        return
    images = _images(method, scheduler)
    name, _ = choose_scheduler(scheduler, method.sampler)
    for key in method.scheduler:
        others = {other: value for other, value in method.scheduler.items() if other != key}
        try:
            without = _images(method.replace(scheduler=others), scheduler)
        except ValueError:
            # It is needed.
            continue
        if all(map(torch.equal, images, without)) and not _repeats(key, method, scheduler):
            hint = _hint(key, method, scheduler)
            yield f"method.scheduler.{key}: no effect with {name} and its other settings{hint}"


def _hint(key: str, method: Method, scheduler: Mapping[str, Any]) -> str:
    """With which other setting one would have an effect, if that is so."""
    if key not in READ_WITH:
        return ""
    other, value = READ_WITH[key]
    options = {**method.scheduler, other: value}
    without = {name: given for name, given in options.items() if name != key}
    try:
        images = _images(method.replace(scheduler=options), scheduler)
        others = _images(method.replace(scheduler=without), scheduler)
    except ValueError:
        return ""
    if all(map(torch.equal, images, others)):
        return ""
    return f"; it is read with {other} = {json.dumps(value)}"


def _repeats(key: str, method: Method, scheduler: Mapping[str, Any]) -> bool:
    """Whether a setting has the value that its model's file or the scheduler's class has."""
    name, _ = choose_scheduler(scheduler, method.sampler)
    return bool(method.scheduler[key] == scheduler.get(key, defaults_of(name).get(key)))


@torch.no_grad()
def _images(method: Method, scheduler: Mapping[str, Any]) -> list[Tensor]:
    """What the method makes of one noise for each of `PATCHES`, each (1, 1, 8, 8).

    Raises:
        ValueError: as `schedule_of`.
    """
    return [_walk(schedule_of(scheduler, method, patches=patches)) for patches in PATCHES]


def _walk(schedule: Schedule) -> Tensor:
    """All steps of a schedule with a linear stand-in for the network."""
    draw = torch.Generator().manual_seed(0)
    latents = schedule.initial(torch.randn(1, 1, 8, 8, generator=draw))
    weight = torch.randn(8, 8, generator=draw) / 8
    solver = schedule.solver(draw)
    prev_x0 = torch.full_like(latents, float("nan"))
    for step, timestep in enumerate(schedule.timesteps.tolist()):
        # Real networks read the timestep, too.
        output = latents @ weight + timestep / 1000
        latents, prev_x0 = denoise_step(
            schedule, torch.tensor([step]), latents, output, prev_x0, [solver]
        )
    return latents
