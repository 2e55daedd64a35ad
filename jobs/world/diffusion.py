"""Trains the U-Net and the text encoder of the embedded model."""

from __future__ import annotations

import copy
from pathlib import Path

import torch
from diffusers.models.attention_processor import AttnProcessor
from torch import nn

from jobs.world import models as build
from jobs.world.data import Scenes
from jobs.world.recipe import MAX_SNR, WINDOW, Recipe
from jobs.world.training_loop import Training, generator, stream


def velocity_weights(alphas_cumprod: torch.Tensor, max_snr: float) -> torch.Tensor:
    """Weights of velocity errors, (b,): min(SNR + 1, max_snr) / (SNR + 1).

    Hang et al., "Efficient Diffusion Training via Min-SNR Weighting Strategy" (arXiv 2303.09556),
    for velocities, and on SNR + 1, so that the first step of sampling, whose SNR is 0, counts.
    """
    # SNR + 1 is 1 / (1 - alpha), where alpha is the share of signal in the variance.
    return (max_snr * (1 - alphas_cumprod)).clamp(max=1.0)


MIDDLE = (slice(3, 8), slice(2, 6))
"""Rows and columns of the latents where a subject is."""
MIDDLE_WEIGHT = 4.0
"""Weight of errors there, to 1 elsewhere; without it the model learns places, and subjects late."""


def middle_weights(side: int) -> torch.Tensor:
    """Weights of the errors of latents (side, side), of mean 1."""
    weights = torch.ones(side, side)
    weights[MIDDLE] = MIDDLE_WEIGHT
    return weights / weights.mean()


def train_diffusion(
    recipe: Recipe,
    work: Path,
    scenes: Scenes,
    latents: torch.Tensor,
    scaling: float,
    live: nn.ModuleDict,
    compiled: bool = False,
) -> nn.ModuleDict:
    """Train U-Net and text encoder together: velocity loss, captions dropped for guidance.

    Args:
        latents: float16 (n, c, h, w), and `scaling`, the factor that gives them unit deviation.
        live: `unet` and `text_encoder`.
        compiled: compile the U-Net: two minutes at each start, faster steps then.

    Returns:
        An exponential average of the weights over about the last `WINDOW` steps.
    """
    tokenizer, scheduler = build.build_tokenizer(work / "tokenizer"), build.build_scheduler()
    live.to(memory_format=torch.channels_last).requires_grad_(True)
    # Plain matrix products: on a CPU the backward of fused attention is slow for such short
    # sequences.
    live["unet"].set_attn_processor(AttnProcessor())
    average = copy.deepcopy(live).requires_grad_(False)
    ids = tokenizer(
        scenes.captions, padding="max_length", truncation=True, return_tensors="pt"
    ).input_ids
    empty = tokenizer("", padding="max_length", return_tensors="pt").input_ids
    training = Training(
        "diffusion",
        work,
        {"live": live, "ema": average},
        recipe.diffusion_rate,
        recipe.diffusion_steps,
        muon=True,
    )
    index = stream(recipe.seed, len(latents), recipe.diffusion_batch, 2, training.step)
    unet = torch.compile(live["unet"]) if compiled else live["unet"]
    middle = middle_weights(latents.shape[-1])

    def loss_of(step: int) -> torch.Tensor:
        draw, chosen = generator(recipe.seed, step, 2), next(index)
        clean = latents[chosen].float().to(memory_format=torch.channels_last) * scaling
        noise = torch.randn(clean.shape, generator=draw)
        # Stratified timesteps lower the variance of the gradient. The exponent favours noisy ones,
        # where the prompt decides subject and mood.
        spread = (
            (torch.arange(len(clean)) + torch.rand(len(clean), generator=draw)) / len(clean)
        ) ** 0.8
        timesteps = (spread * scheduler.config.num_train_timesteps).long()
        dropped = torch.rand(len(clean), 1, generator=draw) < recipe.caption_dropout
        context = live["text_encoder"](torch.where(dropped, empty, ids[chosen]))[0]
        noisy = scheduler.add_noise(clean, noise, timesteps)
        velocity = scheduler.get_velocity(clean, noise, timesteps)
        predicted = unet(noisy, timesteps, context).sample.float()
        errors = ((predicted - velocity).square() * middle).mean(dim=(1, 2, 3))
        return (velocity_weights(scheduler.alphas_cumprod[timesteps], MAX_SNR) * errors).mean()

    training.run(
        loss_of, lambda: build.ema_update(average, live, 1 - 1 / min(WINDOW, training.step + 10))
    )
    return average
