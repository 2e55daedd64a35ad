"""The sizes of images that the model of a run makes, by the files of its folder."""

from __future__ import annotations

from collections.abc import Mapping

from manifests.read import SideProblems
from muse.diffusion.files.hub import configs_beside
from muse.diffusion.files.model_files import FAMILIES, ModelFolder
from muse.sizes import MAX_SIDE, ModelSizes, Size
from pipeline.config import Config
from pipeline.errors import UserError
from pipeline.generation.engines.null_engine import SIZES
from pipeline.generation.image_formats import LONGEST_SIDES, format_problems
from pipeline.models.roles import local_path


def model_sizes(config: Config) -> ModelSizes | None:
    """The sizes of images that a run's model makes; None where its files here do not say.

    Raises:
        UserError: the size in the settings is not one of them.
    """
    sizes = SIZES if config.engine == "null" else _sizes_here(config)
    if config.size is None:
        return sizes
    problems = side_problems(sizes, config.image_format)
    for side, problem in problems(config.size.width, config.size.height).items():
        raise UserError(f"{config.source_of(side)}: {side} {problem}")
    return sizes


def side_problems(sizes: ModelSizes | None, image_format: str) -> SideProblems:
    """What finds out why no image of a width and a height can be made and kept, by side.

    Args:
        sizes: of the model; None if they are not known.
    """

    def problems(width: int, height: int) -> Mapping[str, str]:
        found = format_problems(Size(width, height), image_format)
        if found or sizes is None:
            return found
        return sizes.side_problems(width, height, LONGEST_SIDES.get(image_format, MAX_SIDE))

    return problems


def _sizes_here(config: Config) -> ModelSizes | None:
    try:
        model = local_path("model", config.model, download=False)
        folder = ModelFolder.read((configs_beside(model) or model) if model.is_file() else model)
    except ValueError:
        # Not on this machine yet, or wrong, which `locate` says.
        return None
    network = folder.config(FAMILIES.get(folder.family, ""))
    return ModelSizes.of(network, folder.config("vae"))
