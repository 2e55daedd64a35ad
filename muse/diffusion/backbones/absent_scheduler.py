"""Stands in for the scheduler of a model that diffusers cannot make."""

from __future__ import annotations

from typing import Any

from muse.diffusion.files.model_files import ModelFolder


def stand_in(folder: ModelFolder) -> Any:
    """A scheduler that only holds the settings of a model's own, if the packages of that are not
    installed; None for any other.

    Samplers are made of the settings alone, and the model's own cannot be used (see
    `muse.diffusion.schedule.schedulers.choose_scheduler`).
    """
    import diffusers
    from diffusers.configuration_utils import FrozenDict

    settings = folder.config("scheduler")
    # diffusers has a class with this attribute in the place of such a scheduler.
    if not hasattr(getattr(diffusers, settings.get("_class_name", ""), None), "_backends"):
        return None
    scheduler = diffusers.DDIMScheduler()
    scheduler._internal_dict = FrozenDict(settings)
    return scheduler
