"""Trains the tiny decoder, which shows predictions to the guide.

Its targets are images by the full decoder, when that one is trained.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL, AutoencoderTiny

from jobs.world.data import Scenes
from jobs.world.models import build_tiny_vae, freeze
from jobs.world.recipe import Recipe
from jobs.world.training_loop import Training, generator, stream

STAGE = 14
"""Seed of its random draws, different from other stages'."""


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
    recipe: Recipe, work: Path, vae: AutoencoderKL, means: torch.Tensor
) -> AutoencoderTiny:
    """Train it to decode scaled latents to the images by `vae`, in L1 and L2.

    Args:
        means: latents as `vae` encodes them, float32 (n, c, h, w).
    """
    vae, scaling = vae.to(memory_format=torch.channels_last), vae.config.scaling_factor
    torch.manual_seed(recipe.seed + STAGE)
    tiny = build_tiny_vae().to(memory_format=torch.channels_last)
    training = Training(
        "tiny_vae", work, {"tiny": tiny}, recipe.tiny_vae_rate, recipe.tiny_vae_steps
    )
    index = stream(recipe.seed, len(means), recipe.tiny_vae_batch, STAGE, training.step)

    def loss_of(step: int) -> torch.Tensor:
        latents = blend_half(means[next(index)].clone(), generator(recipe.seed, step, STAGE))
        with torch.no_grad():
            goal = vae.decode(latents).sample.float()
        decoded = tiny.decode(latents * scaling).sample.float()
        return F.l1_loss(decoded, goal) + F.mse_loss(decoded, goal)

    training.run(loss_of)
    return freeze(tiny)
