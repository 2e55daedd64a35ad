"""Trains the VAE of the embedded model, and uses it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL
from torch import Tensor, nn

from jobs.world.data import Scenes
from jobs.world.models import LATENT_CHANNELS, build_vae, freeze
from jobs.world.recipe import Recipe
from jobs.world.training_loop import Training, generator, stream

STAGE, DECODER_STAGE = 1, 3
"""Seeds of their random draws, different from other stages'."""
CROP = 64
"""Side of the pieces that it is trained on, in pixels: more scenes for the same arithmetic."""
KL, EDGES = 3e-4, 0.5
"""Weights in the loss; the L1 and L2 of pixels have 1."""
DECODER_NOISE = 0.25
"""Scale of the noise on the latents that the decoder learns to drown, in their standard
deviations."""
HALVED_EVERY = 4
"""Every so many steps the latents are decoded at half size."""


def crop(pixels: Tensor, side: int, draw: torch.Generator) -> Tensor:
    """The same random window of `side` pixels of each picture (b, c, h, w)."""
    down, across = (
        int(torch.randint(0, n - side + 1, (1,), generator=draw)) for n in pixels.shape[2:]
    )
    return pixels[..., down : down + side, across : across + side]


def edges(pixels: Tensor) -> Tensor:
    """Differences of neighbouring pixels, down and across, (b, n)."""
    down, across = pixels.diff(dim=2), pixels.diff(dim=3)
    return torch.cat([down.flatten(1), across.flatten(1)], dim=1)


def reconstruction_loss(decoded: Tensor, pixels: Tensor) -> Tensor:
    """L1 and L2 of pixels, and L1 of edges, without which lines become soft."""
    sharp = F.l1_loss(edges(decoded), edges(pixels))
    return F.l1_loss(decoded, pixels) + F.mse_loss(decoded, pixels) + EDGES * sharp


def train_vae(recipe: Recipe, work: Path, scenes: Scenes) -> AutoencoderKL:
    """Train the VAE on pieces of pictures.

    Every fourth step decodes latents of half the size to pictures of half the size (Kouzelis et
    al., "EQ-VAE", arXiv 2502.09509): latents that keep their meaning when they are scaled are
    easier to denoise.
    """
    torch.manual_seed(recipe.seed)
    vae = build_vae().to(memory_format=torch.channels_last)
    with torch.no_grad():
        # Start with almost no noise, or the encoder learns large latents to drown it.
        vae.quant_conv.bias[LATENT_CHANNELS:] = -6.0
    training = Training("vae", work, {"vae": vae}, recipe.vae_rate, recipe.vae_steps)
    index = stream(recipe.seed, len(scenes.pixels), recipe.vae_batch, STAGE, training.step)

    def loss_of(step: int) -> Tensor:
        random = generator(recipe.seed, step, STAGE)
        pixels = crop(scenes.batch(next(index)) * 2 - 1, CROP, random)
        pixels = pixels.contiguous(memory_format=torch.channels_last)
        posterior = vae.encode(pixels).latent_dist
        latents = posterior.sample(random)
        if step % HALVED_EVERY == 0:
            latents, pixels = F.avg_pool2d(latents, 2), F.avg_pool2d(pixels, 2)
        kl = posterior.kl().mean() / posterior.mean[0].numel()
        return reconstruction_loss(vae.decode(latents).sample.float(), pixels) + KL * kl

    training.run(loss_of)
    return freeze(vae)


def train_decoder(recipe: Recipe, work: Path, vae: AutoencoderKL, scenes: Scenes) -> AutoencoderKL:
    """Train the decoder alone; the latents do not change, so it may run beside the U-Net.

    It learns from latents with a little noise (Zheng et al., "Diffusion Transformers with
    Representation Autoencoders", arXiv 2510.11690), its scale |N(0, 0.25^2)| for each picture:
    generated latents are never exact, and a decoder that has seen exact ones alone draws a maze of
    lines from their errors.
    """
    parts = {
        "decoder": vae.decoder.requires_grad_(True),
        "post_quant_conv": vae.post_quant_conv.requires_grad_(True),
    }
    training = Training("decoder", work, parts, 1e-3, recipe.decoder_steps)
    index = stream(recipe.seed, len(scenes.pixels), recipe.vae_batch, DECODER_STAGE, training.step)

    def loss_of(step: int) -> Tensor:
        random = generator(recipe.seed, step, DECODER_STAGE)
        pixels = crop(scenes.batch(next(index)) * 2 - 1, CROP, random)
        pixels = pixels.contiguous(memory_format=torch.channels_last)
        with torch.no_grad():
            latents = vae.encode(pixels).latent_dist.sample(random)
        scale = DECODER_NOISE * torch.randn(len(latents), 1, 1, 1, generator=random)
        noisy = latents + scale * torch.randn(latents.shape, generator=random)
        return reconstruction_loss(vae.decode(noisy).sample.float(), pixels)

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
