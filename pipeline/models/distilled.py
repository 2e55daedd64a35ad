"""What a run's diffusion model is asked for that it was not trained for."""

from __future__ import annotations

from pathlib import Path

from muse.diffusion.files.hub import configs_of
from muse.diffusion.schedule.distilled import distilled_warnings
from pipeline.config import Config


def model_warnings(config: Config, path: str) -> list[str]:
    """A warning for each such thing.

    Args:
        path: of the model on this machine.
    """
    if config.engine == "null":
        return []
    network, scheduler = configs_of(Path(path))
    return list(distilled_warnings(config.model, config.method, network, scheduler, config.lora))
