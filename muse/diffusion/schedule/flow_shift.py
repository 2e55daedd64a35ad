"""How far flow matching's noise levels are shifted, where that depends on the size of the image."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

EULER = "FlowMatchEulerDiscreteScheduler"
"""The scheduler whose noise levels are those that its model's pipeline asks for."""

DYNAMIC = "use_dynamic_shifting"
"""The setting of schedulers whose shift depends on the size of the image."""


def dynamic_shift(config: Mapping[str, Any], patches: int | None) -> float:
    """The shift mu of an image: a line through two sizes, as diffusers' pipelines compute it.

    It is (patches - n0) (mu1 - mu0) / (n1 - n0) + mu0 with the sizes n0, n1 and the shifts mu0,
    mu1 of `config` (Esser et al., arXiv 2403.03206, section 5.3.2, has the shift of two sizes).

    Args:
        config: of the scheduler.
        patches: of 2 x 2 latents in the image; None for the larger of the two sizes.

    Raises:
        ValueError: the larger size is not above the other.
    """
    least, most = config.get("base_image_seq_len", 256), config.get("max_image_seq_len", 4096)
    low, high = config.get("base_shift", 0.5), config.get("max_shift", 1.15)
    if most <= least:
        raise ValueError(
            f"method.scheduler.max_image_seq_len is {most}; it should be above base_image_seq_len, "
            f"which is {least}"
        )
    slope = (high - low) / (most - least)
    return (most if patches is None else patches) * slope + (low - slope * least)


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
