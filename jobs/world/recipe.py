"""The hyperparameters of the embedded model."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import typer

from muse.mini.world.contents import PLACES, SUBJECTS
from pipeline.storage.files import temporary_name


@dataclass(frozen=True)
class Recipe:
    """All hyperparameters. Steps are optimiser steps.

    Attributes:
        bfloat16: see `Training`.
        muon: see `Training`; of the diffusion model alone.
        timestep_power: timesteps are drawn as u ** power for u in [0, 1); below 1, noisy ones more.
        middle_weight: of the errors of latents where the subject is, to 1 elsewhere.
    """

    seed: int = 20511
    scenes: int = 48_000
    vae_steps: int = 8_000
    vae_batch: int = 16
    vae_rate: float = 2e-3
    decoder_steps: int = 4_000
    diffusion_steps: int = 11_000
    diffusion_batch: int = 32
    diffusion_rate: float = 6e-4
    timestep_power: float = 0.7
    middle_weight: float = 1.0
    caption_dropout: float = 0.1
    classifier_scenes: int = 16_000
    classifier_batch: int = 48
    content_steps: int = 1_000
    clip_steps: int = 800
    clip_batch: int = 96
    tiny_vae_scenes: int = 8_000
    tiny_vae_steps: int = 4_000
    tiny_vae_batch: int = 32
    tiny_vae_rate: float = 2e-3
    bfloat16: bool = False
    muon: bool = False


# Role: architecture, seed, steps. Each has its own scenes; no run uses the examiner.
CLASSIFIERS: dict[str, tuple[str, int, int]] = {
    "guide": ("resnet", 11, 1_500),
    "judge": ("poolformer", 12, 4_500),
    "examiner": ("swin", 13, 7_000),
}
CONTENTS: dict[str, tuple[list[str], int]] = {
    "place": (list(PLACES), 1),
    "subject": (list(SUBJECTS), 2),
}


def keep_recipe(recipe: Recipe, work: Path, roles: object = CLASSIFIERS) -> None:
    """Write the recipe beside the checkpoints in `work`, which another recipe could not resume.

    It is written once, whole, so that stages that are started at once may all call this.

    Args:
        roles: what else the checkpoints depend on, as JSON can hold it.

    Raises:
        typer.BadParameter: the checkpoints are those of another recipe.
    """
    file, text = work / "recipe.json", json.dumps([asdict(recipe), roles], indent=2) + "\n"
    if not file.exists():
        written = work / temporary_name(file.name)
        try:
            written.write_text(text)
            # Unlike a rename, a link does not replace what another stage wrote in the meantime.
            with suppress(FileExistsError):
                os.link(written, file)
        finally:
            written.unlink(missing_ok=True)
    if file.read_text() != text:
        raise typer.BadParameter(
            f"{work} has checkpoints of another recipe; remove it, or give another folder",
            param_hint="--work",
        )
