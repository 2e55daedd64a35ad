"""Saves what was trained as folders that diffusers and transformers load."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from pathlib import Path

from diffusers import AutoencoderKL, AutoencoderTiny, StableDiffusionPipeline
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import CLIPImageProcessor, CLIPProcessor, ViTImageProcessor

from jobs.world.models import CLASSIFIER_SIDE, build_scheduler, build_tokenizer
from muse.guidance.content_levels import LEVELS_FILE, ContentLevels
from muse.mini import CONTENT_JUDGE

MEAN = STD = [0.5, 0.5, 0.5]
"""Of the pixels that classifiers see."""
LEVELS = {
    "clip": ContentLevels(0.75, 0.75, timing_level=0.85),
    CONTENT_JUDGE: ContentLevels(min_similarity=0.5, min_source_similarity=0.5),
}
"""Of the CLIP that steers, and of the one that judges content, as figures of seed 7 have them."""


def assemble(
    work: Path, vae: nn.Module, scaling: float, average: nn.ModuleDict
) -> StableDiffusionPipeline:
    """The pipeline of trained parts, in float32."""
    vae.register_to_config(scaling_factor=scaling)
    return StableDiffusionPipeline(
        vae=copy.deepcopy(vae),
        text_encoder=average["text_encoder"],
        tokenizer=build_tokenizer(work / "tokenizer"),
        unet=average["unet"],
        scheduler=build_scheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def name_as_published(file: Path) -> None:
    """Give the tensors of a CLIP's text encoder the names of published ones, `text_model.*`.

    Every release of transformers reads those. Some save them without that prefix, and others do
    not find them then: they fill the encoder with random numbers.
    """
    prefix, tensors = "text_model.", load_file(file)
    named = {prefix + name.removeprefix(prefix): tensor for name, tensor in tensors.items()}
    save_file(named, file, metadata={"format": "pt"})


def save_diffusion(
    work: Path,
    out: Path,
    vae: AutoencoderKL,
    scaling: float,
    average: nn.ModuleDict,
    tiny: AutoencoderTiny,
) -> None:
    """Save the diffusion model in `out/diffusion`, with its tiny decoder.

    Args:
        average: `unet` and `text_encoder`.
    """
    folder, pipe = out / "diffusion", assemble(work, vae, scaling, average)
    # Half precision for the parts that diffusers loads, as float32; transformers would not.
    for part in (pipe.unet, pipe.vae, tiny):
        part.half()
    pipe.save_pretrained(folder, safe_serialization=True)
    name_as_published(folder / "text_encoder" / "model.safetensors")
    tiny.save_pretrained(folder / "tiny_vae", safe_serialization=True)


def _save_classifier(model: nn.Module, folder: Path) -> None:
    """Save a classifier with its preprocessing, in half precision; it is loaded as float32."""
    model.half().save_pretrained(folder, safe_serialization=True)
    size = {"height": CLASSIFIER_SIDE, "width": CLASSIFIER_SIDE}
    ViTImageProcessor(size=size, image_mean=MEAN, image_std=STD).save_pretrained(folder)


def _save_clip(model: nn.Module, work: Path, folder: Path) -> None:
    """Save a CLIP with its preprocessing and tokenizer, as classifiers are."""
    model.half().save_pretrained(folder, safe_serialization=True)
    images = CLIPImageProcessor(
        size={"shortest_edge": CLASSIFIER_SIDE},
        crop_size={"height": CLASSIFIER_SIDE, "width": CLASSIFIER_SIDE},
        image_mean=MEAN,
        image_std=STD,
        resample=Image.Resampling.BILINEAR,
    )
    CLIPProcessor(images, build_tokenizer(work / "tokenizer")).save_pretrained(folder)


def save_classifiers(work: Path, out: Path, models: Mapping[str, nn.Module]) -> None:
    """Save classifiers and CLIPs, by name, in folders of `out`; CLIPs with their levels."""
    for name, model in models.items():
        if name.endswith("clip"):
            _save_clip(model, work, out / name)
            levels = {key: level for key, level in vars(LEVELS[name]).items() if level is not None}
            (out / name / LEVELS_FILE).write_text(json.dumps(levels) + "\n")
        else:
            _save_classifier(model, out / name)
