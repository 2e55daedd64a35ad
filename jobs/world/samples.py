"""Sheets of generated pictures, also in mid-training: `python -m jobs.world.samples --help`.

A row for each emotion and each of three kinds of prompt: the content alone, the emotion in words,
and all factors in words.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from random import Random
from typing import Annotated

import torch
import typer
from diffusers import StableDiffusionPipeline
from PIL import Image
from torch import nn

from jobs.options import Threads
from jobs.world.autoencoder import scaling_of
from jobs.world.export import assemble
from jobs.world.models import (
    build_text_encoder,
    build_tokenizer,
    build_unet,
    build_vae,
    freeze,
)
from jobs.world.sheet import SEED, Kind, lay_out, scene_of
from muse.emotions import MIKELS
from muse.mini.world.captions import content_prompt, emotion_prompt, factor_prompt
from muse.mini.world.scene import Scene

ARMS = ("plain", "words", "factors")
BATCH = 16
"""Pictures that are generated at a time."""


class Weights(StrEnum):
    """Those of a checkpoint: as they are trained, or their moving average."""

    LIVE = "live"
    EMA = "ema"


def prompt_of(arm: str, scene: Scene) -> str:
    """The prompt of an arm for the content of a scene, its first emotion or its factors."""
    plain = content_prompt(scene.place, scene.subject)
    if arm == "plain":
        return plain
    return emotion_prompt(plain, scene.emotions[0]) if arm == "words" else factor_prompt(scene)


def load_unfinished(work: Path, weights: Weights = Weights.EMA) -> StableDiffusionPipeline:
    """The diffusion model of the checkpoints in a folder of `jobs.world.train`."""
    tokenizer = build_tokenizer(work / "tokenizer")
    parts = {"unet": build_unet(), "text_encoder": build_text_encoder(tokenizer)}
    model = nn.ModuleDict(parts)
    model.load_state_dict(torch.load(work / "diffusion.pt", weights_only=True)[weights.value])
    vae = build_vae()
    vae.load_state_dict(torch.load(work / "vae.pt", weights_only=True)["vae"])
    latents = torch.load(work / "latents.pt", weights_only=True)
    return assemble(work, freeze(vae), scaling_of(latents), model)


def generate(
    pipe: StableDiffusionPipeline,
    prompts: Sequence[str],
    seeds: Sequence[int],
    guidance: float = 4.0,
    steps: int = 20,
) -> list[Image.Image]:
    """A picture for each prompt, from the noise of its seed."""
    pipe.set_progress_bar_config(disable=True)
    pictures: list[Image.Image] = []
    for start in range(0, len(prompts), BATCH):
        chosen = slice(start, start + BATCH)
        noise = [torch.Generator().manual_seed(seed) for seed in seeds[chosen]]
        pictures += pipe(
            list(prompts[chosen]),
            generator=noise,
            guidance_scale=guidance,
            num_inference_steps=steps,
        ).images
    return pictures


def main(
    out: Annotated[Path, typer.Option(help="A PNG file.")],
    work: Annotated[Path, typer.Option(help="Checkpoints.")] = Path("build/mini"),
    columns: int = 6,
    threads: Threads = 2,
) -> None:
    """Generate pictures of each emotion from each kind of prompt, the same contents a row."""
    torch.set_num_threads(threads)
    pipe, rng = load_unfinished(work), Random(SEED)
    rows: dict[str, list[Image.Image]] = {}
    for emotion in MIKELS.labels:
        scenes = [scene_of(rng, Kind.EMOTION, emotion) for _ in range(columns)]
        for arm in ARMS:
            prompts = [prompt_of(arm, scene) for scene in scenes]
            seeds = [scene.layout for scene in scenes]
            rows[f"{emotion}, {arm}"] = generate(pipe, prompts, seeds)
    lay_out(rows).save(out)


if __name__ == "__main__":
    typer.run(main)
