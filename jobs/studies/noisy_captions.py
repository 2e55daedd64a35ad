"""A model in which an emotion displaces the content: `python -m jobs.studies.noisy_captions`.

Takes a quarter of an hour on two cores. Then evaluate it, for example with
`python -m jobs.evaluation --weights build/noisy-captions --sweep when`, to see what a late start of
guidance is good for, and how tokens should be initialised.

The captions of the embedded model are always right about the content, so emotional tokens cannot
displace it. Those of real models are not: "a room, evoking amusement" gives an amusement park. Here
U-Net and text encoder are fine-tuned on captions with noise: where a caption names an emotion, in
nine of ten scenes the place is not the one named but one that evokes the emotion by EmoSet's
counts, and the same holds of the subject. The classifiers are those of the embedded world.
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

from jobs.world.autoencoder import encode_latents
from jobs.world.data import Scenes, in_pieces
from jobs.world.diffusion import export, fit_diffusion
from jobs.world.models import freeze
from jobs.world.recipe import Recipe, keep_recipe
from muse.emotions import MIKELS
from muse.mini import WEIGHTS
from muse.mini.world.contents import PLACES, SUBJECTS
from muse.mini.world.scenes import SIZE, Scene, emotion_prompt, render, training_pair

RECIPE = replace(Recipe(), seed=20512, scenes=16_000, diffusion_steps=1_400, diffusion_rate=5e-4)
WINDOW = 100
"""Steps over which the weights are averaged: few, since the training is short."""
DISPLACED = 0.9
"""Share of the captions with an emotion that have a wrong place; independently, a wrong subject."""
KEPT = 1 / 3
"""Share that is kept of the captions without an emotion, so that three in ten name one."""
PLACE_COUNTS = {name: counts for name, (_, counts) in PLACES.items()}
FLOOR = 0.002
"""Added to the weight of each content, so that none is excluded."""


def evoking(counts: Mapping[str, tuple[int, ...]], emotion: str) -> dict[str, float]:
    """The weight of each content: the share of this emotion in its counts.

    Args:
        counts: of images per emotion, in the order of `MIKELS.labels`.
    """
    at = MIKELS.index(emotion)
    return {name: row[at] / sum(row) + FLOOR for name, row in counts.items()}


def draw_content(rng: Random, counts: Mapping[str, tuple[int, ...]], emotion: str) -> str:
    """A content, drawn by the weights of `evoking`."""
    probs = evoking(counts, emotion)
    return rng.choices(list(probs), list(probs.values()))[0]


def noisy_pair(rng: Random) -> tuple[Scene, str]:
    """A scene and its caption; one that names an emotion may be wrong about place and subject."""
    while True:
        scene, caption = training_pair(rng)
        word = caption.partition(emotion_prompt("", ""))[2]
        if word:
            break
        if rng.random() < KEPT:
            return scene, caption
    place = draw_content(rng, PLACE_COUNTS, word) if rng.random() < DISPLACED else scene.place
    subject = draw_content(rng, SUBJECTS, word) if rng.random() < DISPLACED else scene.subject
    return replace(scene, place=place, subject=subject), caption


def draw_piece(seed: int, count: int) -> tuple[np.ndarray, list[str], list[tuple[int, int, int]]]:
    """`count` scenes with noisy captions; the labels are what is shown."""
    rng, pixels = Random(seed), np.empty((count, SIZE, SIZE, 3), np.uint8)
    captions, labels = [], []
    for i in range(count):
        scene, caption = noisy_pair(rng)
        pixels[i] = np.asarray(render(scene))
        captions.append(caption)
        shown = list(PLACES).index(scene.place), list(SUBJECTS).index(scene.subject)
        labels.append((MIKELS.index(scene.emotion), *shown))
    return pixels, captions, labels


def draw_scenes(count: int, seed: int) -> Scenes:
    """As `draw_piece`, by several processes."""
    pixels, captions, labels = zip(*in_pieces(draw_piece, count, seed), strict=True)
    return Scenes(
        np.concatenate(pixels),
        list(chain(*captions)),
        np.concatenate([np.asarray(part) for part in labels]),
    )


def main(
    work: Path = Path("build/noisy-captions-training"),
    out: Path = Path("build/noisy-captions"),
    threads: int = 2,
) -> None:
    """Fine-tune and export. After an interruption, run it again to resume."""
    torch.set_num_threads(threads)
    work.mkdir(parents=True, exist_ok=True)
    keep_recipe(RECIPE, work)
    scenes = draw_scenes(RECIPE.scenes, RECIPE.seed)
    pipe = StableDiffusionPipeline.from_pretrained(WEIGHTS / "diffusion")
    scaling = pipe.vae.config.scaling_factor
    latents, _ = encode_latents(work, freeze(pipe.vae), scenes)
    live = nn.ModuleDict({"unet": pipe.unet, "text_encoder": pipe.text_encoder})
    average = fit_diffusion(RECIPE, work, scenes, latents, scaling, live, WINDOW)
    shutil.copytree(WEIGHTS, out, dirs_exist_ok=True)
    export(work, out, pipe.vae, scaling, average)


if __name__ == "__main__":
    typer.run(main)
