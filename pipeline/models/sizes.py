"""The sizes of images that the model of a run makes, by the files of its folder."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from muse.diffusion.hub import configs_beside
from muse.sizes import ModelSizes
from pipeline.config import Config
from pipeline.errors import UserError
from pipeline.generation.null_engine import SIZES
from pipeline.models.roles import local_path

NETWORKS = ("unet", "transformer")
"""Folders of the network in a model's folder."""


def model_sizes(config: Config) -> ModelSizes | None:
    """The sizes of images that a run's model makes; None where its files here do not say.

    Raises:
        UserError: the size in the settings is not one of them.
    """
    sizes = SIZES if config.engine == "null" else _sizes_here(config)
    if sizes is None or config.size is None:
        return sizes
    if problem := sizes.size_problem(config.size):
        raise UserError(f"config: {problem}")
    return sizes


def _sizes_here(config: Config) -> ModelSizes | None:
    try:
        model = local_path("model", config.model, download=False)
    except ValueError:
        # Not on this machine yet, or wrong, which `locate` says.
        return None
    if model.is_file():
        model = configs_beside(model) or model
    vae = _settings(model / "vae")
    for name in NETWORKS:
        if sizes := ModelSizes.of(_settings(model / name), vae):
            return sizes
    return None


def _settings(folder: Path) -> Mapping[str, Any]:
    """What the `config.json` of a model's part says; nothing if there is none."""
    try:
        found = json.loads((folder / "config.json").read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
