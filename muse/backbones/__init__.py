"""Diffusion models behind one protocol. A new family is one class in a file of its own, and a line here."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from muse.backbones.base import Backbone, Codec, Conditioning, Prompts, TextEncoders
from muse.backbones.stable_diffusion import StableDiffusion
from muse.backbones.stable_diffusion_3 import StableDiffusion3
from muse.backbones.stable_diffusion_xl import StableDiffusionXL

__all__ = ["Backbone", "Codec", "Conditioning", "Prompts", "TextEncoders", "load_backbone"]

FAMILIES: dict[str, Any] = {
    "StableDiffusionPipeline": StableDiffusion,
    "StableDiffusionXLPipeline": StableDiffusionXL,
    "StableDiffusion3Pipeline": StableDiffusion3,
}
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def load_backbone(
    path: str | Path,
    device: str = "cpu",
    dtype: str = "float32",
    vae: str | None = None,
    lora: Sequence[str] = (),
    preview: str | None = None,
) -> Backbone:
    """Load a diffusion model; only safetensors are read, and no code that lies beside them is run.

    Args:
        path: a diffusers folder, a single `.safetensors` file, or a hub id.
        dtype: of the weights; tokens, loss and optimiser stay float32.
        vae: another VAE's folder or hub id.
        lora: LoRA files or folders, each fused at full strength.
        preview: a tiny decoder's (`AutoencoderTiny`) folder or hub id, for what the guide reads on the way.

    Raises:
        ValueError: not a model of a known family, weights that are pickles only, or an unknown dtype.
    """
    from diffusers import AutoencoderKL, AutoencoderTiny

    if dtype not in DTYPES:
        raise ValueError(f"dtype is {dtype!r}; choose {', '.join(DTYPES)}")
    pipe = _open(str(path))
    family = type(pipe).__name__
    if vae:
        pipe.vae = AutoencoderKL.from_pretrained(vae, use_safetensors=True)
    for file in lora:
        pipe.load_lora_weights(file)
        pipe.fuse_lora()
        pipe.unload_lora_weights()
    tiny = AutoencoderTiny.from_pretrained(preview, use_safetensors=True) if preview else None
    backbone: Backbone = FAMILIES[family](pipe, device, DTYPES[dtype], tiny)
    return backbone


def _open(path: str) -> Any:
    """The diffusers pipeline at `path`, of one of the known families."""
    import diffusers

    if path.endswith(".safetensors"):
        return getattr(diffusers, _family_of(path)).from_single_file(path)
    try:
        family = str(diffusers.DiffusionPipeline.load_config(path)["_class_name"])
        if family not in FAMILIES:
            raise ValueError(f"{path} is a {family}; known families: {', '.join(FAMILIES)}")
        # Filtering is the pipeline's; the safety checker would only cost memory here.
        more = {"safety_checker": None, "requires_safety_checker": False} if FAMILIES[family] is StableDiffusion else {}
        return getattr(diffusers, family).from_pretrained(path, use_safetensors=True, **more)
    except OSError as error:
        if "safetensors" in str(error):
            raise ValueError(
                f"{path} has no .safetensors weights; convert them: pickled weights are never loaded"
            ) from None
        raise ValueError(f"{path} is neither a diffusers folder nor a model that can be fetched: {error}") from None


def _family_of(file: str) -> str:
    """The family of a single-file checkpoint, by the names of its tensors."""
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
    raise ValueError(f"{file} is not a Stable Diffusion checkpoint: none of its tensors has a name of one")
