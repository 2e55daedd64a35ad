"""Opens diffusion models, VAEs and LoRAs from diffusers folders, hub ids and single files."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from muse.diffusion.hub import (
    NO_PEFT,
    NO_TINY_VAE,
    configs_beside,
    local_folder,
    local_model,
    lora_and_strength,
)
from muse.diffusion.model_files import (
    NEVER_LOADED,
    TINY_VAE,
    ModelFolder,
    family_of_file,
    folder_problems,
    variant_of,
)


def open_pipeline(path: str) -> Any:
    """The diffusers pipeline at `path`: a folder, a hub id, or a single `.safetensors` file.

    Parts that no image depends on (`NEVER_LOADED`) are left out.

    Raises:
        ValueError: another family, only pickled weights, or an incomplete model.
    """
    import diffusers

    if path.endswith(".safetensors"):
        family = getattr(diffusers, family_of_file(Path(path)))
        return _from_file(family, Path(path), _left_out(family))
    folder = ModelFolder.read(local_model(path))
    if problems := list(folder_problems(folder)):
        raise ValueError(f"{path}: " + "\n  ".join(problems))
    family = getattr(diffusers, folder.family)
    # Parts whose weights have a variant, such as fp16, are opened one by one: diffusers would take
    # that variant of every part that has it, also where it has weights without one.
    given = _left_out(family) | dict.fromkeys(folder.left_out)
    for part in folder.parts:
        variant = folder.variant(part) if folder.has_weights(part) else None
        if variant is not None and part != TINY_VAE:
            given[part] = _open_part(folder, part, variant)
    return family.from_pretrained(folder.path, use_safetensors=True, **given)


def _open_part(folder: ModelFolder, part: str, variant: str | None) -> Any:
    """One part of a model, from its folder."""
    library, kind = folder.parts[part]
    return getattr(import_module(library), kind).from_pretrained(
        folder.path / part, variant=variant, use_safetensors=True
    )


def _left_out(family: Any) -> dict[str, Any]:
    """Arguments with which a pipeline is made without the parts that are never loaded."""
    known = inspect.signature(family.__init__).parameters
    left_out: dict[str, Any] = {part: None for part in NEVER_LOADED if part in known}
    # Filtering is the pipeline's; the safety checker would only cost memory here.
    return left_out | ({"requires_safety_checker": False} if "safety_checker" in known else {})


def open_vae(path: str) -> Any:
    """The VAE in a folder, under a hub id, or in a single file.

    Raises:
        ValueError: an incomplete VAE.
    """
    from diffusers import AutoencoderKL

    if path.endswith(".safetensors"):
        return _from_file(AutoencoderKL, Path(path), {})
    return _open_folder(AutoencoderKL, path)


def open_tiny_vae(name: str, model: str) -> Any:
    """The tiny decoder in the folder or under the hub id `name`; for "" the one in the folder
    `tiny_vae/` of `model`.

    None for `NO_TINY_VAE`, and where the model brings none.
    """
    from diffusers import AutoencoderTiny

    own = Path(model) / TINY_VAE
    place = name or (str(own) if own.is_dir() else NO_TINY_VAE)
    return None if place == NO_TINY_VAE else _open_folder(AutoencoderTiny, place)


def _open_folder(kind: Any, path: str) -> Any:
    """A VAE of the class `kind` from a folder or a hub id."""
    folder = local_folder(path)
    return kind.from_pretrained(folder, variant=variant_of(folder), use_safetensors=True)


def fuse_loras(pipe: Any, names: Sequence[str]) -> None:
    """Add LoRAs (files, folders or hub ids) to the weights of `pipe`, in this order.

    Args:
        names: each as `hub.lora_and_strength` reads it.

    Raises:
        ValueError: peft is not installed, or a LoRA fits no part of the model.
    """
    from diffusers.utils import USE_PEFT_BACKEND

    if names and not USE_PEFT_BACKEND:
        raise ValueError(NO_PEFT)
    for name_and_strength in names:
        name, strength = lora_and_strength(name_and_strength)
        path = name if name.endswith(".safetensors") else str(local_folder(name))
        try:
            pipe.load_lora_weights(path, use_safetensors=True)
        except (OSError, ValueError, KeyError, RuntimeError) as error:
            raise ValueError(f"the LoRA {name} cannot be loaded: {error}") from None
        if not pipe.get_list_adapters():
            raise ValueError(
                f"the LoRA {name} has weights for no part of this {type(pipe).__name__}"
            )
        pipe.fuse_lora(lora_scale=strength)
        pipe.unload_lora_weights()


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
