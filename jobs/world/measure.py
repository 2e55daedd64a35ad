"""Figures of the exported models: `python -m jobs.world.measure --help`.

They tell how hard the world is, and calibrate the share of displaced contents: how often the
emotion in words succeeds, and how often it keeps place and subject.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Annotated

import numpy as np
import torch
import typer
from diffusers import StableDiffusionPipeline
from PIL import Image
from torch import Tensor

from jobs.evaluation.measures.kernel_distance import kernel_distance
from jobs.options import Threads
from jobs.world.samples import ARMS, generate, prompt_of
from jobs.world.sheet import Kind, scene_of
from muse.classifiers import load_image_model, resize
from muse.classifiers.clip import ClipSimilarity
from muse.emotions import MIKELS
from muse.mini.world.contents import PLACES, SUBJECTS
from muse.mini.world.render import render
from muse.mini.world.scene import Scene

SEED = 900_015
"""Of contents and noise that no training and no evaluation uses."""

Figures = dict[str, float]


def to_tensor(pictures: Sequence[Image.Image]) -> Tensor:
    """Pixels float32 (n, 3, h, w) in [0, 1]."""
    pixels = np.stack([np.asarray(picture) for picture in pictures])
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255


@torch.inference_mode()
def guesses(folder: Path, pixels: Tensor) -> list[int]:
    """The strongest label of each picture by a classifier."""
    model, side, mean, std = load_image_model(folder)
    small = resize(pixels, side)
    inputs = (small - torch.tensor(mean).view(1, 3, 1, 1)) / torch.tensor(std).view(1, 3, 1, 1)
    return torch.cat(
        [model(pixel_values=part).logits.argmax(1) for part in inputs.split(64)]
    ).tolist()


def found(weights: Path, pixels: Tensor, scenes: Sequence[Scene]) -> Figures:
    """Shares of pictures with the first emotion, the place, the subject, and all three."""
    emotions = [MIKELS.index(scene.emotions[0]) for scene in scenes]
    places = [list(PLACES).index(scene.place) for scene in scenes]
    subjects = [list(SUBJECTS).index(scene.subject) for scene in scenes]
    hits: dict[str, np.ndarray] = {}
    for name, goal in (("examiner", emotions), ("place", places), ("subject", subjects)):
        hits[name] = np.equal(guesses(weights / name, pixels), goal)
    figures = {name: float(hit.mean()) for name, hit in hits.items()}
    figures["content"] = float((hits["place"] & hits["subject"]).mean())
    figures["right"] = float((hits["examiner"] & hits["place"] & hits["subject"]).mean())
    return figures


@torch.inference_mode()
def measure(weights: Path, count: int, guidance: float) -> dict[str, Figures]:
    """Figures of held-out scenes as they are rendered, and of each kind of prompt."""
    rng, labels = Random(SEED), MIKELS.labels
    scenes = [scene_of(rng, Kind.EMOTION, labels[i % len(labels)]) for i in range(count)]
    pipe = StableDiffusionPipeline.from_pretrained(weights / "diffusion", dtype=torch.float32)
    clip = ClipSimilarity.from_pretrained(weights / "content-clip")
    rendered = to_tensor([render(scene) for scene in scenes])
    figures = {"scenes": found(weights, rendered, scenes)}
    for arm in ARMS:
        prompts = [prompt_of(arm, scene) for scene in scenes]
        seeds = [scene.layout for scene in scenes]
        pixels = to_tensor(generate(pipe, prompts, seeds, guidance))
        figures[arm] = found(weights, pixels, scenes)
        figures[arm]["kid"] = kernel_distance(clip.image(pixels), clip.image(rendered))
    return figures


def main(
    weights: Annotated[Path, typer.Option(help="What the stage `export` saved.")],
    json_file: Annotated[Path, typer.Option("--json", help="Where the figures go.")],
    count: Annotated[int, typer.Option(help="Pictures a kind of prompt.")] = 256,
    guidance: Annotated[float, typer.Option(help="Classifier-free guidance.")] = 4.0,
    threads: Threads = 2,
) -> None:
    """Generate pictures from each kind of prompt, and measure them with the classifiers."""
    torch.set_num_threads(threads)
    figures = measure(weights, count, guidance)
    json_file.write_text(json.dumps(figures, indent=2) + "\n")
    for arm, values in figures.items():
        print(arm, "  ".join(f"{name} {value:.3f}" for name, value in values.items()))


if __name__ == "__main__":
    typer.run(main)
