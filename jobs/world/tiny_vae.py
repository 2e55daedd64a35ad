"""Train the tiny decoder, which shows predictions to the guide: `python -m jobs.world.tiny_vae`.

Its targets are images by the exported full decoder, so it needs only the weights of
`jobs.world.train`. Takes three minutes on two cores.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
import typer
from diffusers import AutoencoderKL, AutoencoderTiny

from jobs.world import models as build
from jobs.world.data import Scenes, draw_scenes
from jobs.world.recipe import Recipe, keep_recipe
from jobs.world.training_loop import Training, generator, stream
from muse.mini import WEIGHTS

STAGE = 14
"""Seed of its scenes and of its random draws, different from other stages'."""


def blend_half(latents: torch.Tensor, draw: torch.Generator) -> torch.Tensor:
    """Every other of latents (b, c, h, w) blended with its neighbour.

    Early predictions of a diffusion model are averages of images, too.
    """
    blended = (torch.arange(len(latents)) % 2).view(-1, 1, 1, 1)
    share = torch.rand(len(latents), 1, 1, 1, generator=draw) * blended
    return torch.lerp(latents, latents.roll(1, 0), 0.5 * share)


def encode_scenes(vae: AutoencoderKL, scenes: Scenes) -> torch.Tensor:
    """Mean latents float32 (n, c, h, w)."""
    count = len(scenes.pixels)
    with torch.inference_mode():
        parts = np.array_split(np.arange(count), max(1, count // 64))
        return torch.cat(
            [vae.encode(scenes.batch(part) * 2 - 1).latent_dist.mean for part in parts]
        )


def train_tiny_vae(
    recipe: Recipe,
    work: Path,
    vae: AutoencoderKL,
    means: torch.Tensor,
    build_tiny: Callable[[], AutoencoderTiny] = build.build_tiny_vae,
) -> AutoencoderTiny:
    """Train it to decode scaled latents to the images by `vae`, in L1 and L2.

    Args:
        means: latents as `vae` encodes them, float32 (n, c, h, w).
    """
    vae, scaling = vae.to(memory_format=torch.channels_last), vae.config.scaling_factor
    torch.manual_seed(recipe.seed + STAGE)
    tiny = build_tiny().to(memory_format=torch.channels_last)
    training = Training(
        "tiny_vae",
        work,
        {"tiny": tiny},
        recipe.tiny_vae_rate,
        recipe.tiny_vae_steps,
        recipe.bfloat16,
    )
    index = stream(recipe.seed, len(means), recipe.tiny_vae_batch, STAGE, training.step)

    def loss_of(step: int) -> torch.Tensor:
        latents = blend_half(means[next(index)].clone(), generator(recipe.seed, step, STAGE))
        with torch.no_grad():
            goal = vae.decode(latents).sample.float()
        decoded = tiny.decode(latents * scaling).sample.float()
        return F.l1_loss(decoded, goal) + F.mse_loss(decoded, goal)

    training.run(loss_of)
    return build.freeze(tiny)


def main(work: Path = Path("build/mini"), out: Path = WEIGHTS, threads: int = 2) -> None:
    """Train and export the tiny decoder. After an interruption, run it again to resume."""
    torch.set_num_threads(threads)
    recipe, model = Recipe(), out / "diffusion"
    work.mkdir(parents=True, exist_ok=True)
    keep_recipe(recipe, work)
    vae = build.freeze(AutoencoderKL.from_pretrained(model / "vae", use_safetensors=True))
    scenes = draw_scenes(work / "tiny_vae_scenes", recipe.tiny_vae_scenes, STAGE, balanced=True)
    means = encode_scenes(vae, scenes)
    tiny = train_tiny_vae(recipe, work, vae, means)
    tiny.save_pretrained(model / "tiny_vae", safe_serialization=True)


if __name__ == "__main__":
    typer.run(main)
