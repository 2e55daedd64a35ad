"""The sizes of images that the model of a run makes, by the files of its folder."""

from __future__ import annotations

from muse.diffusion.files.hub import configs_beside
from muse.diffusion.files.model_files import FAMILIES, ModelFolder
from muse.sizes import ModelSizes
from pipeline.config import Config
from pipeline.errors import UserError
from pipeline.generation.engines.null_engine import SIZES
from pipeline.models.roles import local_path


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
        folder = ModelFolder.read((configs_beside(model) or model) if model.is_file() else model)
    except ValueError:
        # Not on this machine yet, or wrong, which `locate` says.
        return None
    network = folder.config(FAMILIES.get(folder.family, ""))
    return ModelSizes.of(network, folder.config("vae"))
