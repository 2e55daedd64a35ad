"""Opens diffusion models, VAEs and LoRAs from diffusers folders, hub ids and single files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from muse.diffusion.hub import NO_PEFT, NO_TINY_VAE, configs_beside, local_folder

UNFILTERED = {"safety_checker": None, "requires_safety_checker": False}
"""Filtering is the pipeline's; the safety checker would only cost memory here."""


def open_pipeline(path: str, families: Sequence[str]) -> Any:
    """The diffusers pipeline at `path`, of one of `families` (names of pipeline classes).

    Raises:
        ValueError: another family, only pickled weights, or an incomplete model.
    """
    import diffusers

    if path.endswith(".safetensors"):
        family = _family_of(path)
        return _from_file(getattr(diffusers, family), Path(path), _unfiltered(family))
    try:
        family = str(diffusers.DiffusionPipeline.load_config(path)["_class_name"])
        if family not in families:
            raise ValueError(f"{path} is a {family}; known families: {', '.join(families)}")
        return getattr(diffusers, family).from_pretrained(
            path, use_safetensors=True, **_unfiltered(family)
        )
    except OSError as error:
        if "safetensors" in str(error):
            raise ValueError(
                f"{path} has no .safetensors weights; convert them: "
                "pickled weights are never loaded"
            ) from None
        raise ValueError(
            f"{path} is neither a diffusers folder nor a model that the hub provides: {error}"
        ) from None


def open_vae(path: str) -> Any:
    """The VAE in a folder, under a hub id, or in a single file.

    Raises:
        ValueError: an incomplete VAE.
    """
    from diffusers import AutoencoderKL

    if path.endswith(".safetensors"):
        return _from_file(AutoencoderKL, Path(path), {})
    return AutoencoderKL.from_pretrained(path, use_safetensors=True)


def open_tiny_vae(name: str, model: str) -> Any:
    """The tiny decoder in the folder or under the hub id `name`; for "" the one in the folder
    `tiny_vae/` of `model`.

    None for `NO_TINY_VAE`, and where the model brings none.
    """
    from diffusers import AutoencoderTiny

    own = Path(model) / "tiny_vae"
    place = name or (str(own) if own.is_dir() else NO_TINY_VAE)
    return (
        None
        if place == NO_TINY_VAE
        else AutoencoderTiny.from_pretrained(place, use_safetensors=True)
    )


def fuse_loras(pipe: Any, names: Sequence[str]) -> None:
    """Add LoRAs (files, folders or hub ids) to the weights of `pipe`, each at full strength.

    Raises:
        ValueError: peft is not installed, or a LoRA fits no part of the model.
    """
    from diffusers.utils import USE_PEFT_BACKEND

    if names and not USE_PEFT_BACKEND:
        raise ValueError(NO_PEFT)
    for name in names:
        path = name if name.endswith(".safetensors") else str(local_folder(name))
        try:
            pipe.load_lora_weights(path, use_safetensors=True)
        except (OSError, ValueError, KeyError, RuntimeError) as error:
            raise ValueError(f"the LoRA {name} cannot be loaded: {error}") from None
        if not pipe.get_list_adapters():
            raise ValueError(
                f"the LoRA {name} has weights for no part of this {type(pipe).__name__}"
            )
        pipe.fuse_lora()
        pipe.unload_lora_weights()


def _unfiltered(family: str) -> dict[str, Any]:
    return UNFILTERED if family == "StableDiffusionPipeline" else {}


def _from_file(kind: Any, file: Path, options: dict[str, Any]) -> Any:
    """A pipeline or VAE of the class `kind` from one file, which has only weights.

    The configurations are read from the folder beside the file. Without one, diffusers fetches
    those of the published models from the hub.
    """
    configs = configs_beside(file)
    if configs is not None and (pickled := next(configs.rglob("*.bin"), None)):
        raise ValueError(f"{pickled} is pickled, and pickled weights are never loaded; remove it")
    try:
        opened = kind.from_single_file(
            str(file), config=None if configs is None else str(configs), **options
        )
        parts = opened.components.values() if hasattr(opened, "components") else [opened]
        tensors = [
            tensor
            for part in parts
            if hasattr(part, "parameters")
            for tensor in part.named_parameters()
        ]
        if absent := [name for name, tensor in tensors if tensor.is_meta]:
            raise ValueError(f"it has no weights for {', '.join(absent[:3])}")
    except Exception as error:  # diffusers, the hub and torch raise many classes here
        raise ValueError(
            f"{file} cannot be opened as {kind.__name__}: {error}\n"
            "  If the hub cannot be reached, or the model differs in size from the published ones, "
            "put its configurations, in the layout of diffusers and without weights, into the "
            f"folder {file.with_suffix('')}"
        ) from None
    return opened


def _family_of(file: str) -> str:
    """The pipeline class of a single-file checkpoint, by the names of its tensors."""
    from safetensors import safe_open

    try:
        with safe_open(file, "pt") as opened:
            names = set(opened.keys())
    except Exception as error:
        raise ValueError(f"{file} is not a readable safetensors file: {error}") from None
    if any(name.startswith("conditioner.embedders.1.") for name in names):
        return "StableDiffusionXLPipeline"
    if any("joint_blocks." in name for name in names):
        return "StableDiffusion3Pipeline"
    if any(name.startswith("model.diffusion_model.input_blocks.") for name in names):
        return "StableDiffusionPipeline"
    raise ValueError(f"{file} is not a Stable Diffusion checkpoint, by the names of its tensors")
