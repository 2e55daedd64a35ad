"""Train the embedded model from scratch: `python -m jobs.world.train`.

Stages, each resumed from its checkpoint: scenes, VAE, latents, diffusion, classifiers (guide,
judge, examiner), contents (place, subject) and similarity (CLIP). `--stage` runs a single one of
the last four. The weights in the repository took 97 minutes on two CPU cores with bfloat16
instructions that had other work for about twenty of them. `jobs.world.tiny_vae` comes next.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from enum import Enum
from pathlib import Path
from typing import Annotated

import torch
import typer
from torch import nn

from jobs.world.autoencoder import encode_latents, train_vae
from jobs.world.classifiers import (
    classifier_pixels,
    export_classifier,
    export_clip,
    plain_prompts,
    train_classifier,
    train_clip,
)
from jobs.world.data import Scenes, draw_scenes
from jobs.world.diffusion import export, train_diffusion
from jobs.world.recipe import CLASSIFIERS, CONTENTS, Recipe, keep_recipe
from muse.emotions import MIKELS
from muse.mini import WEIGHTS


class Stage(Enum):
    """What `--stage` chooses from."""

    ALL = "all"
    DIFFUSION = "diffusion"
    CLASSIFIERS = "classifiers"
    CONTENTS = "contents"
    SIMILARITY = "similarity"


def make_diffusion(recipe: Recipe, work: Path, out: Path, scenes: Scenes, vae: nn.Module) -> None:
    latents, scaling = encode_latents(work, vae, scenes)
    average = train_diffusion(recipe, work, scenes, latents, scaling)
    export(work, out, vae, scaling, average)


def make_classifiers(recipe: Recipe, work: Path, out: Path, vae: nn.Module) -> None:
    """Guide, judge and examiner, each on scenes of its own."""
    labels = list(MIKELS.labels)
    for name, (kind, seed, steps) in CLASSIFIERS.items():
        folder = work / f"{name}_scenes"
        scenes = draw_scenes(folder, recipe.classifier_scenes, seed, balanced=True)
        pixels, emotions = classifier_pixels(work, name, scenes, vae), scenes.labels[:, 0]
        model = train_classifier(recipe, work, name, kind, labels, seed, pixels, emotions, steps)
        export_classifier(model, out / name)


def make_content_classifiers(
    recipe: Recipe, work: Path, out: Path, scenes: Scenes, vae: nn.Module
) -> None:
    """The classifiers of places and of subjects."""
    pixels, steps = classifier_pixels(work, "contents", scenes, vae), recipe.content_steps
    for name, (names, column) in CONTENTS.items():
        labels, seed = scenes.labels[:, column], 30 + column
        model = train_classifier(recipe, work, name, "resnet", names, seed, pixels, labels, steps)
        export_classifier(model, out / name)


def make_similarity(recipe: Recipe, work: Path, out: Path, scenes: Scenes, vae: nn.Module) -> None:
    pixels = classifier_pixels(work, "contents", scenes, vae)
    model = train_clip(recipe, work, pixels, scenes.captions, plain_prompts(scenes))
    export_clip(model, work, out / "clip")


def main(
    work: Annotated[Path, typer.Option(help="Checkpoints and scenes.")] = Path("build/mini"),
    out: Annotated[Path, typer.Option(help="Where the weights go.")] = WEIGHTS,
    stage: Annotated[Stage, typer.Option(help="Only this one.")] = Stage.ALL,
    diffusion_steps: int = Recipe.diffusion_steps,
    threads: int = 2,
) -> None:
    """Train and export the embedded model. After an interruption, run it again to resume."""
    torch.set_num_threads(threads)
    recipe = Recipe(diffusion_steps=diffusion_steps)
    for folder in (work, out):
        folder.mkdir(parents=True, exist_ok=True)
    keep_recipe(recipe, work)
    scenes = draw_scenes(work / "scenes", recipe.scenes, recipe.seed, balanced=False)
    vae = train_vae(recipe, work, scenes)
    if stage in (Stage.ALL, Stage.DIFFUSION):
        make_diffusion(recipe, work, out, scenes, vae)
    if stage in (Stage.ALL, Stage.CLASSIFIERS):
        make_classifiers(recipe, work, out, vae)
    if stage in (Stage.ALL, Stage.CONTENTS):
        make_content_classifiers(recipe, work, out, scenes, vae)
    if stage in (Stage.ALL, Stage.SIMILARITY):
        make_similarity(recipe, work, out, scenes, vae)
    (out / "recipe.json").write_text(json.dumps(asdict(recipe), indent=2) + "\n")


if __name__ == "__main__":
    typer.run(main)
