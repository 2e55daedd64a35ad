"""Saves what was trained as folders that diffusers and transformers load."""

from __future__ import annotations

from pathlib import Path

from diffusers import AutoencoderKL, AutoencoderTiny
from torch import nn

from jobs.world.classifiers import export_classifier, export_clip
from jobs.world.diffusion import export


def save_diffusion(
    work: Path,
    out: Path,
    vae: AutoencoderKL,
    scaling: float,
    average: nn.ModuleDict,
    tiny: AutoencoderTiny,
) -> None:
    """Save the diffusion model in `out/diffusion`, with its tiny decoder."""
    export(work, out, vae, scaling, average)
    tiny.half().save_pretrained(out / "diffusion" / "tiny_vae", safe_serialization=True)


def save_classifiers(work: Path, out: Path, models: dict[str, nn.Module]) -> None:
    """Save classifiers and CLIPs, by name, in folders of `out`."""
    for name, model in models.items():
        if name.endswith("clip"):
            export_clip(model, work, out / name)
        else:
            export_classifier(model, out / name)
