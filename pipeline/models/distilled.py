"""What a run's diffusion model is asked for that it was not trained for, or does not read."""

from __future__ import annotations

from pathlib import Path

from muse.diffusion.files.hub import configs_of, family_of
from muse.diffusion.schedule.distilled import distilled_warnings
from pipeline.config import Config
from pipeline.models.unused_parameters import unused_parameters


def model_warnings(config: Config, path: str) -> list[str]:
    """A warning for each such thing.

    Args:
        path: of the model on this machine.
    """
    if config.engine == "null":
        return []
    network, scheduler = configs_of(Path(path))
    distilled = distilled_warnings(config.model, config.method, network, scheduler, config.lora)
    family = family_of(Path(path))
    return [*distilled, *unused_parameters(config.method, family, network, scheduler)]
