"""What is in the single file of a diffusion model, and what such a file does not tell."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

ONLY_FOLDERS = {
    "double_blocks.": "FLUX",
    "transformer_blocks.": "a diffusion transformer",
    "noise_refiner.": "Z-Image",
}
"""Parts of the names of tensors in single files that cannot be loaded: what they are of."""

LATENT_CHANNELS = {
    "StableDiffusionPipeline": 4,
    "StableDiffusionXLPipeline": 4,
    "StableDiffusion3Pipeline": 16,
}
"""Channels of the latents of a single-file model."""


def tensor_shapes(file: Path) -> dict[str, list[int]]:
    """The shapes of the tensors in a safetensors file, by their names.

    Raises:
        ValueError: it is not readable.
    """
    from safetensors import safe_open

    try:
        with safe_open(file, "np") as opened:
            return {name: opened.get_slice(name).get_shape() for name in opened.keys()}  # noqa: SIM118
    except Exception as error:  # safetensors raises classes of its own, and Rust's
        raise ValueError(f"{file} is not a readable safetensors file: {error}") from None


def latent_channels_of(vae: Path) -> int | None:
    """The channels of the latents that a single-file VAE decodes; None if its tensors do not say.

    Raises:
        ValueError: it is not readable.
    """
    shapes = tensor_shapes(vae)
    name = next((name for name in shapes if name.endswith("decoder.conv_in.weight")), None)
    return None if name is None else shapes[name][1]


def family_of_file(file: Path) -> str:
    """The pipeline class of a single-file checkpoint, by the names and shapes of its tensors.

    Raises:
        ValueError: it is not readable, or of no known family.
    """
    shapes = tensor_shapes(file)
    if any(name.startswith("conditioner.embedders.1.") for name in shapes):
        family = "StableDiffusionXLPipeline"
    elif any("joint_blocks." in name for name in shapes):
        family = "StableDiffusion3Pipeline"
    elif any(name.startswith("model.diffusion_model.input_blocks.") for name in shapes):
        family = "StableDiffusionPipeline"
    else:
        raise ValueError(f"{file} {_why_no_checkpoint(shapes)}")
    first = shapes.get("model.diffusion_model.input_blocks.0.0.weight")
    if first is not None and first[1] != LATENT_CHANNELS[family]:
        raise ValueError(
            f"the network of {file} takes {first[1]} channels, but the latents have "
            f"{LATENT_CHANNELS[family]}: it is a model for inpainting or for edits by instruction; "
            "give the text-to-image model of its family"
        )
    return family


def _why_no_checkpoint(names: Iterable[str]) -> str:
    """Why a single file whose tensors have these names cannot be loaded."""
    for part, kind in ONLY_FOLDERS.items():
        if any(part in name for name in names):
            return (
                f"holds the network of {kind}, by the names of its tensors; single files are read "
                "of Stable Diffusion alone: give the model's folder in the layout of diffusers, or "
                "its hub id"
            )
    return "is not a Stable Diffusion checkpoint, by the names of its tensors"


def published_vae(family: str) -> Mapping[str, Any]:
    """What the latents of the published models of a family depend on. A single file does not tell
    its own."""
    if family == "StableDiffusion3Pipeline":
        return {"latent_channels": 16, "scaling_factor": 1.5305, "shift_factor": 0.0609}
    scaling = 0.13025 if family == "StableDiffusionXLPipeline" else 0.18215
    return {"latent_channels": 4, "scaling_factor": scaling}


def published_scheduler(family: str) -> Mapping[str, Any]:
    """The scheduler that the published model of a family came with, as far as the choice of a
    sampler depends on it. A single file does not tell its own."""
    if family == "StableDiffusion3Pipeline":
        return {"_class_name": "FlowMatchEulerDiscreteScheduler", "shift": 3.0}
    betas = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
    if family == "StableDiffusionXLPipeline":
        return {"_class_name": "EulerDiscreteScheduler", **betas, "steps_offset": 1}
    return {"_class_name": "PNDMScheduler", **betas, "skip_prk_steps": True, "steps_offset": 1}
