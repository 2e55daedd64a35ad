"""How far flow matching's noise levels are shifted, where that depends on the size of the image."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from muse.diffusion.schedule.own_scheduler import FILE
from muse.diffusion.schedule.setting_values import VALUES

EULER = "FlowMatchEulerDiscreteScheduler"
"""The scheduler whose noise levels are those that its model's pipeline asks for."""

DYNAMIC = "use_dynamic_shifting"
"""The setting of schedulers whose shift depends on the size of the image."""

LINE = {
    "base_image_seq_len": 256,
    "max_image_seq_len": 4096,
    "base_shift": 0.5,
    "max_shift": 1.15,
}
"""The settings of the two sizes and their shifts, with diffusers' defaults."""


def dynamic_shift(config: Mapping[str, Any], patches: int | None) -> float:
    """The shift mu of an image: a line through two sizes, as diffusers' pipelines compute it.

    It is (patches - n0) (mu1 - mu0) / (n1 - n0) + mu0 with the sizes n0, n1 and the shifts mu0,
    mu1 of `config` (Esser et al., arXiv 2403.03206, section 5.3.2, has the shift of two sizes).

    Args:
        config: of the scheduler.
        patches: of 2 x 2 latents in the image; None for the larger of the two sizes.
    """
    least, most, low, high = (config.get(key, value) for key, value in LINE.items())
    slope = (high - low) / (most - least)
    return (most if patches is None else patches) * slope + (low - slope * least)


def check_dynamic(config: Mapping[str, Any], options: Mapping[str, Any]) -> None:
    """Refuse settings that give no shift by the size of the image.

    Args:
        config: of the scheduler that the model came with.
        options: settings that replace those of `config`.

    Raises:
        ValueError: one is no number, or the larger size is not above the other.
    """
    used = {**LINE, **{key: config[key] for key in LINE if key in config}, **options}
    for key in LINE:
        if not VALUES[key].include(used[key]):
            raise ValueError(f"{_named(key, options)} is {used[key]!r}; it takes {VALUES[key]}")
    least, most = used["base_image_seq_len"], used["max_image_seq_len"]
    if most <= least:
        key = "max_image_seq_len" if "max_image_seq_len" in options else "base_image_seq_len"
        above = key == "max_image_seq_len"
        raise ValueError(
            f"{_named(key, options)} is {used[key]}; it should be {'above' if above else 'below'} "
            f"{'base_image_seq_len' if above else 'max_image_seq_len'}, which is "
            f"{least if above else most}"
        )


def _named(key: str, options: Mapping[str, Any]) -> str:
    """A setting with the place that it is read from."""
    return f"method.scheduler.{key}" if key in options else f"{key} in {FILE}"


def static_shift(config: Mapping[str, Any], patches: int | None) -> float:
    """The fixed shift s that equals the dynamic one: sigma' = s sigma / (1 + (s - 1) sigma)."""
    mu = dynamic_shift(config, patches)
    return mu if config.get("time_shift_type") == "linear" else math.exp(mu)


def is_dynamic(config: Mapping[str, Any], options: Mapping[str, Any]) -> bool:
    """Whether the shift depends on the size of the image.

    Args:
        config: of the scheduler that the model came with.
        options: settings that replace those of `config`.

    Raises:
        ValueError: `options` also set a fixed shift, which would have no effect.
    """
    dynamic = bool(options.get(DYNAMIC, config.get(DYNAMIC, False)))
    for key in ("shift", "flow_shift"):
        if dynamic and key in options:
            raise ValueError(
                f"method.scheduler.{key} is {options[key]!r}, but this model's shift depends on "
                f"the size of the image; set method.scheduler.{DYNAMIC} = false as well"
            )
    return dynamic


def flow_timesteps(
    scheduler: Any, name: str, steps: int, patches: int | None, even_sigmas: bool
) -> dict[str, Any]:
    """Arguments of the scheduler's `set_timesteps` beside the number of steps.

    Args:
        scheduler: of the class `name`.
        patches: see `dynamic_shift`.
        even_sigmas: whether the family's pipeline asks for noise levels that are evenly spaced
            from 1 to 1 / steps before they are shifted.
    """
    arguments: dict[str, Any] = {}
    if name == EULER and even_sigmas:
        arguments["sigmas"] = [1.0 - step / steps for step in range(steps)]
    if name == EULER and scheduler.config.get(DYNAMIC):
        arguments["mu"] = dynamic_shift(scheduler.config, patches)
    return arguments
