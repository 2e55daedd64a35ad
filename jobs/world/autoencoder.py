"""Trains the VAE of the embedded model, and uses it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL
from torch import Tensor, nn

from jobs.world.data import Scenes
from jobs.world.models import LATENT_CHANNELS, build_vae, freeze
from jobs.world.recipe import Recipe
from jobs.world.training_loop import Training, generator, stream

STAGE = 1
"""Seed of its random draws, different from other stages'."""
KL, RAMP = 3e-3, 1_000
"""Weight of the KL term in the loss, and steps in which it grows to that; the L1 and L2 of pixels
have 1. So large a weight leaves latents with noise of about an eighth of their deviation: generated
latents are never exact, and a decoder that has seen exact ones alone draws a maze of lines from
their errors (Zheng et al., "Diffusion Transformers with Representation Autoencoders", arXiv
2510.11690)."""
EDGES = 0.5
"""Weight of edges."""
SUBJECT = (slice(44, 120), slice(24, 104))
"""Rows and columns of a picture where the subject is."""
SUBJECT_WEIGHT, FACE_WEIGHT = 3.0, 12.0
"""Of errors there and in faces, to 1 elsewhere: a subject has more shapes than what is around it,
and what a face shows is a few pixels wide."""


def error_weights(side: int, faces: np.ndarray) -> Tensor:
    """Weights of the errors of pixels (b, side, side), of mean 1 in a batch.

    Args:
        faces: boxes (b, 4), as `faces.face_box` gives them.
    """
    weights = torch.ones(len(faces), side, side)
    weights[:, *SUBJECT] = SUBJECT_WEIGHT
    for each, (top, bottom, left, right) in zip(weights, faces, strict=True):
        each[top:bottom, left:right] = FACE_WEIGHT
    return weights / weights.mean()


def reconstruction_loss(decoded: Tensor, pixels: Tensor, weights: Tensor) -> Tensor:
    """L1 and L2 of pixels (b, c, h, w), and L1 of edges, without which lines become soft.

    Args:
        weights: of each pixel (b, h, w).
    """
    error, weights = decoded - pixels, weights[:, None]
    down, across = error.diff(dim=2).abs(), error.diff(dim=3).abs()
    sharp = (down * weights[:, :, 1:]).mean() + (across * weights[..., 1:]).mean()
    plain = ((error.abs() + error.square()) * weights).mean()
    return plain + EDGES / 2 * sharp


def train_vae(
    recipe: Recipe, work: Path, scenes: Scenes, faces: Callable[[], np.ndarray]
) -> AutoencoderKL:
    """Train the VAE on whole pictures.

    Args:
        faces: gives the boxes (n, 4) of their faces; it is called if there is anything to train.
    """
    torch.manual_seed(recipe.seed)
    vae = build_vae().to(memory_format=torch.channels_last)
    with torch.no_grad():
        # Start with almost no noise, or the encoder learns large latents to drown it.
        vae.quant_conv.bias[LATENT_CHANNELS:] = -6.0
    training = Training("vae", work, {"vae": vae}, recipe.vae_rate, recipe.vae_steps, muon=True)
    index = stream(recipe.seed, len(scenes.pixels), recipe.vae_batch, STAGE, training.step)
    if training.step >= recipe.vae_steps:
        return freeze(vae)
    boxes, side = faces(), scenes.pixels.shape[1]

    def loss_of(step: int) -> Tensor:
        chosen = next(index)
        pixels, weights = scenes.batch(chosen) * 2 - 1, error_weights(side, boxes[chosen])
        posterior = vae.encode(pixels).latent_dist
        latents = posterior.sample(generator(recipe.seed, step, STAGE))
        kl = posterior.kl().mean() / posterior.mean[0].numel()
        weight = KL * min(1.0, step / RAMP)
        return (
            reconstruction_loss(vae.decode(latents).sample.float(), pixels, weights) + weight * kl
        )

    training.run(loss_of)
    return freeze(vae)


def encode_latents(work: Path, vae: nn.Module, scenes: Scenes) -> tuple[Tensor, float]:
    """Mean latents float16 (n, c, h, w) of every scene, and the factor of unit deviation."""
    file = work / "latents.pt"
    if not file.exists():
        parts = []
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
            for start in range(0, len(scenes.pixels), 64):
                index = np.arange(start, min(start + 64, len(scenes.pixels)))
                posterior = vae.encode(scenes.batch(index) * 2 - 1).latent_dist
                parts.append(posterior.mean.half())
        torch.save(torch.cat(parts), file)
    latents = torch.load(file, weights_only=True)
    return latents, scaling_of(latents)


def scaling_of(latents: Tensor) -> float:
    """The factor that gives latents unit deviation."""
    return 1.0 / latents[:4000].float().std().item()


def round_trip(vae: nn.Module, pixels: Tensor) -> Tensor:
    """Pixels (b, 3, h, w) in [0, 1] encoded and decoded by the VAE."""
    with torch.inference_mode():
        latents = vae.encode(pixels * 2 - 1).latent_dist.mean
        return (vae.decode(latents).sample / 2 + 0.5).clamp(0, 1)
