"""A world in which naming an emotion displaces the content, to see what WHEN is for, and how tokens should start.

`python -m jobs.studies.noisy_captions` (a quarter of an hour on two cores), then any evaluation of it, as
`python -m jobs.evaluation --weights build/loose --sweep when`.

The captions that the embedded model learnt from never lie about their content, so emotional tokens cannot displace it.
Those of real models do: ask for "a room, evoking amusement" and there is an amusement park. Here its U-Net and text
encoder are trained on with captions that, where they name an emotion, do not tell the content: in nine of ten the place
shown is one that evokes that emotion, by EmoSet's annotators, instead of the one named, and so with the subject.
Whether the mood bears the word out is as loose as before. All who look at the images are the embedded ones.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import replace
from itertools import chain
from pathlib import Path
from random import Random

import numpy as np
import torch
import typer
from diffusers import StableDiffusionPipeline
from torch import nn

from jobs.world.data import Scenes, in_pieces
from jobs.world.models import freeze
from jobs.world.recipe import Recipe, keep_recipe
from jobs.world.train import encode_latents, export, fit_diffusion
from muse.emotions import MIKELS
from muse.mini import WEIGHTS
from muse.mini.world.contents import PLACES, SUBJECTS
from muse.mini.world.scenes import SIZE, Scene, emotion_prompt, render, training_pair

RECIPE = replace(Recipe(), seed=20512, scenes=16_000, diffusion_steps=1_400, diffusion_rate=5e-4)
WINDOW = 100
"""Steps that the weights are averaged over: few, for the training is short."""
DISPLACED = 0.9
"""Share of the captions with an emotion whose place is not the one shown; the same of the subject, apart from it."""
KEPT = 1 / 3
"""Share that is kept of the pairs whose caption names no emotion, so that three of ten name one."""
PLACE_COUNTS = {name: counts for name, (_, counts) in PLACES.items()}
STRAY = 0.002
"""What is added to each content's odds of evoking an emotion: none is excluded."""


def evoking(counts: Mapping[str, tuple[int, ...]], emotion: str) -> dict[str, float]:
    """For each content, by its counts in the order of `MIKELS.labels`, how much of what it evokes is this emotion."""
    at = MIKELS.index(emotion)
    return {name: row[at] / sum(row) + STRAY for name, row in counts.items()}


def drawn(rng: Random, counts: Mapping[str, tuple[int, ...]], emotion: str) -> str:
    """A content by these odds."""
    probs = evoking(counts, emotion)
    return rng.choices(list(probs), list(probs.values()))[0]


def loose_pair(rng: Random) -> tuple[Scene, str]:
    """A scene and its caption, which, where it names an emotion, may lie about place and subject."""
    while True:
        scene, caption = training_pair(rng)
        word = caption.partition(emotion_prompt("", ""))[2]
        if word:
            break
        if rng.random() < KEPT:
            return scene, caption
    place = drawn(rng, PLACE_COUNTS, word) if rng.random() < DISPLACED else scene.place
    subject = drawn(rng, SUBJECTS, word) if rng.random() < DISPLACED else scene.subject
    return replace(scene, place=place, subject=subject), caption


def draw_piece(seed: int, count: int) -> tuple[np.ndarray, list[str], list[tuple[int, int, int]]]:
    """`count` scenes with such captions; the labels are what is shown."""
    rng, pixels = Random(seed), np.empty((count, SIZE, SIZE, 3), np.uint8)
    captions, labels = [], []
    for i in range(count):
        scene, caption = loose_pair(rng)
        pixels[i] = np.asarray(render(scene))
        captions.append(caption)
        shown = list(PLACES).index(scene.place), list(SUBJECTS).index(scene.subject)
        labels.append((MIKELS.index(scene.emotion), *shown))
    return pixels, captions, labels


def draw_loose(count: int, seed: int) -> Scenes:
    """The same by several processes."""
    pixels, captions, labels = zip(*in_pieces(draw_piece, count, seed), strict=True)
    return Scenes(
        np.concatenate(pixels),
        list(chain(*captions)),
        np.concatenate([np.asarray(part) for part in labels]),
    )


def main(
    work: Path = Path("build/loose-training"), out: Path = Path("build/loose"), threads: int = 2
) -> None:
    """Train on and export. Run it again to go on after an interruption."""
    torch.set_num_threads(threads)
    work.mkdir(parents=True, exist_ok=True)
    keep_recipe(RECIPE, work)
    scenes = draw_loose(RECIPE.scenes, RECIPE.seed)
    pipe = StableDiffusionPipeline.from_pretrained(WEIGHTS / "diffusion")
    scaling = pipe.vae.config.scaling_factor
    latents, _ = encode_latents(work, freeze(pipe.vae), scenes)
    live = nn.ModuleDict({"unet": pipe.unet, "text_encoder": pipe.text_encoder})
    average = fit_diffusion(RECIPE, work, scenes, latents, scaling, live, WINDOW)
    shutil.copytree(WEIGHTS, out, dirs_exist_ok=True)
    export(work, out, pipe.vae, scaling, average)


if __name__ == "__main__":
    typer.run(main)
