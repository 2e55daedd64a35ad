"""What decides the embedded model's weights."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import typer

from muse.mini.world.contents import PLACES, SUBJECTS


@dataclass(frozen=True)
class Recipe:
    """Everything that decides the weights. Steps are optimiser steps."""

    seed: int = 20511
    scenes: int = 48_000
    vae_steps: int = 8_000
    vae_batch: int = 16
    vae_rate: float = 2e-3
    decoder_steps: int = 4_000
    diffusion_steps: int = 11_000
    diffusion_batch: int = 32
    diffusion_rate: float = 6e-4
    caption_dropout: float = 0.1
    classifier_scenes: int = 16_000
    classifier_batch: int = 48
    content_steps: int = 1_000
    clip_steps: int = 800
    clip_batch: int = 96
    preview_scenes: int = 8_000
    preview_steps: int = 4_000
    preview_batch: int = 32
    preview_rate: float = 2e-3


# Role: architecture, seed, steps. All three differ in architecture, seed and scenes; the examiner is
# never used by a run.
CLASSIFIERS: dict[str, tuple[str, int, int]] = {
    "guide": ("resnet", 11, 1_500),
    "judge": ("poolformer", 12, 4_500),
    "examiner": ("swin", 13, 7_000),
}
CONTENTS: dict[str, tuple[list[str], int]] = {
    "place": (list(PLACES), 1),
    "subject": (list(SUBJECTS), 2),
}


def keep_recipe(recipe: Recipe, work: Path) -> None:
    """Note by what recipe the checkpoints in `work` are made; they would be taken for those of any other.

    Raises:
        typer.BadParameter: they are made by another.
    """
    file, told = work / "recipe.json", json.dumps([asdict(recipe), CLASSIFIERS], indent=2) + "\n"
    if file.exists() and file.read_text() != told:
        raise typer.BadParameter(
            f"{work} holds what another recipe made; remove it, or give another",
            param_hint="--work",
        )
    file.write_text(told)
