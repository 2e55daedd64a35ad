"""Trains the VAE of the embedded model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from jobs.world import models as build
from jobs.world.data import Scenes
from jobs.world.recipe import Recipe
from jobs.world.training_loop import Training, generator, stream


def train_vae(recipe: Recipe, work: Path, scenes: Scenes) -> nn.Module:
    """Train the VAE: reconstruction in L1 and L2, with a small KL term for smooth latents."""
    torch.manual_seed(recipe.seed)
    vae = build.build_vae().to(memory_format=torch.channels_last)
    with torch.no_grad():
        # Start with almost no noise, or the encoder learns large latents to drown it.
        vae.quant_conv.bias[build.LATENT_CHANNELS :] = -6.0
    training = Training(
        "vae", work, {"vae": vae}, recipe.vae_rate, recipe.vae_steps, recipe.bfloat16
    )
    index = stream(recipe.seed, len(scenes.pixels), recipe.vae_batch, 1, training.step)

    def loss_of(step: int) -> torch.Tensor:
        pixels = scenes.batch(next(index)) * 2 - 1
        posterior = vae.encode(pixels).latent_dist
        decoded = vae.decode(posterior.sample(generator(recipe.seed, step, 1))).sample.float()
        kl = posterior.kl().mean() / posterior.mean[0].numel()
        return F.l1_loss(decoded, pixels) + F.mse_loss(decoded, pixels) + 1e-4 * kl

    training.run(loss_of)
    return fine_tune_decoder(recipe, work, build.freeze(vae), scenes)


def fine_tune_decoder(recipe: Recipe, work: Path, vae: nn.Module, scenes: Scenes) -> nn.Module:
    """Train the decoder alone, mostly in L2 (for PSNR). The latents do not change."""
    parts = {
        "decoder": vae.decoder.requires_grad_(True),
        "post_quant_conv": vae.post_quant_conv.requires_grad_(True),
    }
    training = Training("decoder", work, parts, 1e-3, recipe.decoder_steps, recipe.bfloat16)
    index = stream(recipe.seed, len(scenes.pixels), recipe.vae_batch, 3, training.step)

    def loss_of(step: int) -> torch.Tensor:
        pixels = scenes.batch(next(index)) * 2 - 1
        with torch.no_grad():
            latents = vae.encode(pixels).latent_dist.sample(generator(recipe.seed, step, 3))
        decoded = vae.decode(latents).sample.float()
        return 0.3 * F.l1_loss(decoded, pixels) + F.mse_loss(decoded, pixels)

    training.run(loss_of)
    return build.freeze(vae)


def encode_latents(
    work: Path, vae: nn.Module, scenes: Scenes, bfloat16: bool = False
) -> tuple[torch.Tensor, float]:
    """Mean latents float16 (n, c, h, w) of every scene, and the factor of unit deviation.

    Args:
        bfloat16: see `Training`.
    """
    file = work / "latents.pt"
    if not file.exists():
        parts = []
        autocast = torch.autocast("cpu", torch.bfloat16, enabled=bfloat16)
        with torch.inference_mode(), autocast:
            for start in range(0, len(scenes.pixels), 64):
                index = np.arange(start, min(start + 64, len(scenes.pixels)))
                posterior = vae.encode(scenes.batch(index) * 2 - 1).latent_dist
                parts.append(posterior.mean.half())
        torch.save(torch.cat(parts), file)
    latents = torch.load(file, weights_only=True)
    return latents, scaling_of(latents)


def scaling_of(latents: torch.Tensor) -> float:
    """The factor that gives latents unit deviation."""
    return 1.0 / latents[:4000].float().std().item()


def round_trip(vae: nn.Module, pixels: torch.Tensor) -> torch.Tensor:
    """Pixels (b, 3, h, w) in [0, 1] encoded and decoded by the VAE."""
    with torch.inference_mode():
        latents = vae.encode(pixels * 2 - 1).latent_dist.mean
        return (vae.decode(latents).sample / 2 + 0.5).clamp(0, 1)
