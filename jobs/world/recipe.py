"""The hyperparameters of the embedded model."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import typer

from muse.mini.world.contents import PLACES, SUBJECTS
from pipeline.storage.files import temporary_name


@dataclass(frozen=True)
class Recipe:
    """The sizes of the training. Steps are optimiser steps."""

    seed: int = 20514
    scenes: int = 48_000
    vae_steps: int = 9_000
    vae_batch: int = 8
    vae_rate: float = 1.5e-3
    diffusion_steps: int = 7_200
    diffusion_batch: int = 64
    diffusion_rate: float = 6e-4
    caption_dropout: float = 0.1
    classifier_scenes: int = 16_000
    classifier_batch: int = 48
    content_steps: int = 2_500
    clip_steps: int = 2_000
    clip_batch: int = 96
    tiny_vae_scenes: int = 6_000
    tiny_vae_steps: int = 2_000
    tiny_vae_batch: int = 16
    tiny_vae_rate: float = 2e-3


MAX_SNR, WINDOW = 5.0, 500
"""Bound on the weight of a timestep, and steps over which the diffusion model is averaged."""


@dataclass(frozen=True)
class Role:
    """How a classifier of emotions is trained.

    Attributes:
        kind: its architecture.
        seed: of its scenes and of its training.
        natural: share of its scenes in which the emotion suits the content (see `data.Labelled`).
        multi_label: a sigmoid for each emotion instead of a softmax.
    """

    kind: str
    seed: int
    natural: float
    multi_label: bool
    steps: int


ROLES: dict[str, Role] = {
    "guide": Role("resnet", 11, 0.5, False, 4_000),
    "judge": Role("poolformer", 12, 0.5, True, 5_000),
    "examiner": Role("swin", 13, 0.25, False, 6_000),
}
"""Each has its own scenes; no run uses the examiner."""
CONTENTS: dict[str, tuple[list[str], int]] = {
    "place": (list(PLACES), 0),
    "subject": (list(SUBJECTS), 1),
}
"""Labels of the classifiers of contents, and their column in the data."""
CONTENT_SEED = 31
CLIPS = {"clip": 21, "content-clip": 22}
"""Seeds of the CLIP that steers and of the one that judges content."""


def described(recipe: Recipe, displaced: float) -> dict[str, Any]:
    """All hyperparameters by name, as they are saved beside the weights.

    Args:
        displaced: share of the captions naming an emotion with a wrong place (see `captions`).
    """
    roles = {name: asdict(role) for name, role in ROLES.items()}
    others = {"max_snr": MAX_SNR, "window": WINDOW, "displaced": displaced, "roles": roles}
    return {**asdict(recipe), **others}


def keep_recipe(recipe: Recipe, work: Path, displaced: float) -> None:
    """Write the recipe beside the checkpoints in `work`, which another recipe could not resume.

    It is written once, whole, so that stages that are started at once may all call this.

    Args:
        displaced: as in `described`.

    Raises:
        typer.BadParameter: the checkpoints are those of another recipe.
    """
    roles = {name: asdict(role) for name, role in ROLES.items()}
    kept = [asdict(recipe), [roles, MAX_SNR, WINDOW, displaced]]
    file, text = work / "recipe.json", json.dumps(kept, indent=2) + "\n"
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
