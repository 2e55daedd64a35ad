"""Opens diffusion models, VAEs and LoRAs from diffusers folders, hub ids and single files."""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import torch

from muse.diffusion.backbones.absent_scheduler import stand_in
from muse.diffusion.backbones.single_file_models import (
    in_dtype,
    left_out,
    open_file_pipeline,
    open_file_vae,
)
from muse.diffusion.devices import vae_dtype
from muse.diffusion.files.hub import (
    NO_PEFT,
    NO_TINY_VAE,
    decoder_config,
    is_single_file,
    local_file,
    local_folder,
    local_model,
    lora_and_strength,
    vae_config,
)
from muse.diffusion.files.loras.lora_files import lora_file, lora_problems, lora_warnings
from muse.diffusion.files.loras.lora_target import LoraTarget
from muse.diffusion.files.model_files import TINY_VAE, ModelFolder, variant_of
from muse.diffusion.files.model_problems import folder_problems, problems_beside
from muse.diffusion.files.part_fit import tiny_vae_problem, vae_problem
from muse.diffusion.files.part_weights import PartlyRead, shapes_in
from muse.diffusion.files.tensor_fit import lacks, needed, part_problems, unread, within


def open_pipeline(path: str, dtype: torch.dtype = torch.float32) -> Any:
    """The diffusers pipeline at `path`: a folder, a hub id, or a single `.safetensors` file.

    Parts that no image depends on (`NEVER_LOADED`) are left out. The weights are read in `dtype`,
    those of the VAE as `vae_dtype` says; a single file in float16 is read in float32 first, for
    the sake of its VAE.

    Raises:
        ValueError: another family, only pickled weights, or an incomplete model.
    """
    import diffusers

    if is_single_file(path):
        file = local_file(path)
        if problems := list(problems_beside(file)):
            raise ValueError(f"{path}: " + "\n  ".join(problems))
        return open_file_pipeline(file, torch.float32 if dtype == torch.float16 else dtype)
    folder = ModelFolder.read(local_model(path))
    if problems := list(folder_problems(folder)):
        raise ValueError(f"{path}: " + "\n  ".join(problems))
    family = getattr(diffusers, folder.family)
    # Parts with weights are opened one by one. Together, diffusers would take a variant, such as
    # fp16, of every part that has it, and would not tell which weights were missing.
    given = left_out(family) | dict.fromkeys(folder.left_out)
    for part in folder.opened_parts():
        given[part] = _open_part(folder, part, path, dtype)
    # diffusers would fail at the class, also where it is given another.
    if (scheduler := stand_in(folder)) is not None:
        given["scheduler"] = None
    dtypes = {"default": dtype, "vae": vae_dtype(dtype, folder.config("vae"))}
    pipe = family.from_pretrained(folder.path, use_safetensors=True, **given, **in_dtype(dtypes))
    if scheduler is not None:
        pipe.register_modules(scheduler=scheduler)
    return pipe


def _open_part(folder: ModelFolder, part: str, model: str, dtype: torch.dtype) -> Any:
    """One part of the model that was given as `model`, from its folder."""
    library, kind = folder.parts[part]
    own = vae_dtype(dtype, folder.config(part)) if part == "vae" else dtype
    kind_of_part = getattr(import_module(library), kind)
    name = f"{model}: the part {part}/"
    return _open_complete(kind_of_part, folder.path / part, folder.variant(part), own, name)


def _open_complete(
    kind: Any, folder: Path, variant: str | None, dtype: torch.dtype, name: str
) -> Any:
    """A model of the class `kind` of diffusers or transformers, with all its weights.

    Args:
        name: what a message calls it.

    Raises:
        ValueError: weights are missing, or of other shapes.
    """
    try:
        opened, info = kind.from_pretrained(
            folder,
            variant=variant,
            use_safetensors=True,
            output_loading_info=True,
            **in_dtype(dtype),
        )
    except Exception as error:  # both libraries raise many classes here
        library = kind.__module__.partition(".")[0]
        problems = list(part_problems(name, kind, folder, shapes_in(folder, library)))
        if not problems:
            raise ValueError(f"{name} cannot be loaded from {folder}: {error}") from error
        raise ValueError("\n  ".join(problems)) from None
    # transformers fills these tensors with random numbers, and diffusers leaves them without any.
    expected = {*opened.state_dict()}
    if missing := needed(kind, info["missing_keys"]):
        raise ValueError(lacks(name, kind, missing, len(expected)))
    if surplus := within(info["unexpected_keys"], expected):
        warnings.warn(unread(name, kind, surplus), PartlyRead, stacklevel=2)
    return opened


def open_vae(path: str, own: Any, dtype: torch.dtype = torch.float32) -> Any:
    """The VAE in a folder, under a hub id, or in a single file, for a model of `dtype`.

    Args:
        own: the VAE that it replaces, whose configuration serves a single file without one.

    Raises:
        ValueError: an incomplete VAE, or one of another family.
    """
    from diffusers import AutoencoderKL

    # Its own configuration decides whether it stays in float32, see `vae_dtype`.
    first = torch.float32 if dtype == torch.float16 else dtype
    settings = json.loads(own.to_json_string())
    place = _file_or_folder("VAE", path)
    _refuse(path, vae_problem(vae_config(place, settings), settings))
    if is_single_file(path):
        return open_file_vae(place, settings, first)
    return _open_folder(AutoencoderKL, path, first)


def open_tiny_vae(name: str, model: str, vae: Any, dtype: torch.dtype = torch.float32) -> Any:
    """The tiny decoder in the folder or under the hub id `name`; for "" the one in the folder
    `tiny_vae/` of `model`.

    None for `NO_TINY_VAE`, and where the model brings none.

    Args:
        vae: the model's.

    Raises:
        ValueError: weights are missing, or it is no tiny decoder for this model.
    """
    from diffusers import AutoencoderTiny

    own = Path(model).expanduser() / TINY_VAE
    place = name or (str(own) if own.is_dir() else NO_TINY_VAE)
    if place == NO_TINY_VAE:
        return None
    config = decoder_config(local_folder(place), TINY_VAE)
    _refuse(f"the tiny decoder {place}", tiny_vae_problem(config, vae.config))
    opened = _open_folder(AutoencoderTiny, place, dtype)
    # Nothing is encoded by it, and its files may lack what that would take.
    opened.encoder = None
    return opened


def _file_or_folder(what: str, name: str) -> Path:
    """The single file or the folder of what is changed in a model.

    Raises:
        ValueError: there is none, with what it is of.
    """
    try:
        return local_file(name) if is_single_file(name) else local_folder(name)
    except ValueError as error:
        raise ValueError(f"the {what} {name}: {error}") from None


def _refuse(name: str, problem: str | None) -> None:
    """
    Raises:
        ValueError: there is a problem with the model of that name.
    """
    if problem is not None:
        raise ValueError(f"{name}: {problem}")


def _open_folder(kind: Any, path: str, dtype: torch.dtype) -> Any:
    """A VAE of the class `kind` from a folder or a hub id.

    Raises:
        ValueError: weights are missing, as in a VAE of another class.
    """
    folder = local_folder(path)
    return _open_complete(kind, folder, variant_of(folder), dtype, path)


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
        path = _file_or_folder("LoRA", name)
        # diffusers fails without a name, or goes on with matrices that have no values.
        target = LoraTarget.of_pipeline(pipe)
        if problems := [*lora_problems(path, target)]:
            raise ValueError(f"the LoRA {name}: " + "\n  ".join(problems))
        for warning in lora_warnings(path, target):
            warnings.warn(warning, PartlyRead, stacklevel=2)
        try:
            # Without the name of the file, diffusers takes any of a folder.
            file = lora_file(path)
            pipe.load_lora_weights(str(file.parent), weight_name=file.name, use_safetensors=True)
            parts = [*pipe.get_list_adapters()]
            if parts:
                # Without their names, FLUX would fuse its transformer alone.
                pipe.fuse_lora(parts, lora_scale=strength)
        except Exception as error:  # diffusers, peft and torch raise many classes here
            raise ValueError(f"the LoRA {name} cannot be loaded: {error}") from None
        if not parts:
            raise ValueError(
                f"the LoRA {name} has weights for no part of this {type(pipe).__name__}"
            )
        # Else norms that the LoRA's file brought would be put back as they were.
        if getattr(pipe.components.get("transformer"), "_transformer_norm_layers", None):
            pipe.transformer._transformer_norm_layers = None
        pipe.unload_lora_weights()
