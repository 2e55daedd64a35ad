"""Opens pipelines and VAEs from single files, and tells beforehand why one cannot be opened."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from muse.diffusion.backbones.absent_scheduler import stand_in
from muse.diffusion.files.hub import configs_beside
from muse.diffusion.files.model_files import NEVER_LOADED, ModelFolder
from muse.diffusion.files.single_files import family_of_file
from muse.diffusion.quiet import quiet_loading

LIBRARY_ADVICE = (" If you want to instead overwrite", " Please load the component before")
"""How the advice begins that diffusers adds to its errors, for whoever calls it by Python."""

META = "Cannot copy out of meta tensor"
"""How torch begins where diffusers has found no weights for tensors, which it does not name."""


def open_file_pipeline(file: Path, dtype: torch.dtype | None) -> Any:
    """The diffusers pipeline in a single file.

    Args:
        dtype: of the weights; None for the one that they have, in which they are not copied.

    Raises:
        ValueError: it is of no known family, or does not fit the folder of settings beside it.
    """
    import diffusers

    family, configs = getattr(diffusers, family_of_file(file)), configs_beside(file)
    options = left_out(family)
    if configs is not None and (scheduler := stand_in(ModelFolder.read(configs))) is not None:
        options["scheduler"] = scheduler
    return _from_file(family, file, options, dtype, configs)


def open_file_vae(file: Path, own: Mapping[str, Any], dtype: torch.dtype | None) -> Any:
    """The VAE in a single file.

    Args:
        own: the settings of the VAE that it replaces, which serve a file without a folder beside
            it.
        dtype: as for `open_file_pipeline`.

    Raises:
        ValueError: it does not fit its settings.
    """
    from diffusers import AutoencoderKL

    if (configs := configs_beside(file)) is not None:
        return _from_file(AutoencoderKL, file, {}, dtype, configs)
    # diffusers would take any for that of Stable Diffusion 1.5.
    with TemporaryDirectory() as folder:
        (Path(folder) / "config.json").write_text(json.dumps({**own}))
        return _from_file(AutoencoderKL, file, {}, dtype, Path(folder))


def file_problems(file: Path) -> Iterator[str]:
    """Why the model in a single file cannot be opened with the settings beside it: at most one.

    It is opened as a run opens it, but its weights stay on disk. Without such settings, those of
    the published models are downloaded first, so that nothing is known before.
    """
    if configs_beside(file) is None:
        return
    try:
        with quiet_loading("diffusers", "transformers"):
            open_file_pipeline(file, None)
    except ValueError as error:
        yield str(error)


def file_vae_problems(file: Path, own: Mapping[str, Any]) -> Iterator[str]:
    """As `file_problems`, of a VAE.

    Args:
        own: the settings of the VAE that it replaces.
    """
    # The published ones, which stand for a single file, do not say how a VAE is built.
    if configs_beside(file) is None and "block_out_channels" not in own:
        return
    try:
        with quiet_loading("diffusers"):
            open_file_vae(file, own, None)
    except ValueError as error:
        yield str(error)


def left_out(family: Any) -> dict[str, Any]:
    """Arguments with which a pipeline is made without the parts that are never loaded."""
    known = inspect.signature(family.__init__).parameters
    arguments: dict[str, Any] = {part: None for part in NEVER_LOADED if part in known}
    # Filtering is the pipeline's; the safety checker would only cost memory here.
    return arguments | ({"requires_safety_checker": False} if "safety_checker" in known else {})


def in_dtype(dtype: torch.dtype | Mapping[str, torch.dtype] | None) -> dict[str, Any]:
    """The argument of diffusers and transformers for the dtype of weights, under its present name.

    diffusers renamed `torch_dtype` to `dtype`, and warns of the former.
    """
    from diffusers.utils import deprecation_utils

    is_renamed = hasattr(deprecation_utils, "_resolve_dtype")
    return {"dtype" if is_renamed else "torch_dtype": dtype}


def _from_file(
    kind: Any,
    file: Path,
    options: dict[str, Any],
    dtype: torch.dtype | None,
    configs: Path | None,
) -> Any:
    """A pipeline or VAE of the class `kind` from one file, which has only weights.

    Args:
        configs: the folder of its configurations. Without one, diffusers fetches those of the
            published models from the hub.
    """
    if configs is not None and (pickled := next(configs.rglob("*.bin"), None)):
        raise ValueError(f"{pickled} is pickled, and pickled weights are never loaded; remove it")
    try:
        opened = kind.from_single_file(
            str(file),
            config=None if configs is None else str(configs),
            **options,
            **in_dtype(dtype),
        )
        parts = opened.components.items() if hasattr(opened, "components") else [("", opened)]
        for part, model in parts:
            tensors = model.named_parameters() if hasattr(model, "named_parameters") else ()
            if absent := [name for name, tensor in tensors if tensor.is_meta]:
                whose = f" of its part {part}" if part else ""
                more = ", ..." if len(absent) > 3 else ""
                raise ValueError(f"it lacks weights{whose}: {', '.join(absent[:3])}{more}")
    except Exception as error:  # diffusers, the hub and torch raise many classes here
        cause, remedy = _cause(error), _remedy(file, configs)
        raise ValueError(
            f"{file} cannot be opened as {kind.__name__} ({cause}); {remedy}"
        ) from None
    return opened


def _cause(error: Exception) -> str:
    """What a library says of a file, on one line and without its advice."""
    cause = " ".join(str(error).split())
    if cause.startswith(META):
        return "it lacks some of the weights that its settings ask for"
    for advice in LIBRARY_ADVICE:
        cause = cause.partition(advice)[0]
    return cause if cause.endswith("...") else cause.rstrip(".")


def _remedy(file: Path, configs: Path | None) -> str:
    if configs is not None:
        return (
            "download the file again, or put the settings of the model that it is of into "
            f"{file.with_suffix('')}, in the layout of diffusers and without weights"
        )
    return (
        "if the hub cannot be reached, or the model differs in size from the published ones, put "
        "its configurations, in the layout of diffusers and without weights, into the folder "
        f"{file.with_suffix('')}"
    )
