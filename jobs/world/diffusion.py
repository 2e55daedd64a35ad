"""Trains and exports the U-Net and the text encoder of the embedded model."""

from __future__ import annotations

import copy
from pathlib import Path

import torch
from diffusers import StableDiffusionPipeline
from diffusers.models.attention_processor import AttnProcessor
from safetensors.torch import load_file, save_file
from torch import nn

from jobs.world import models as build
from jobs.world.data import Scenes
from jobs.world.recipe import Recipe
from jobs.world.training_loop import Training, generator, stream


def velocity_weights(alphas_cumprod: torch.Tensor, max_snr: float) -> torch.Tensor:
    """Weights of velocity errors, (b,): min(SNR + 1, max_snr) / (SNR + 1).

    Hang et al., "Efficient Diffusion Training via Min-SNR Weighting Strategy" (arXiv 2303.09556),
    for velocities, and on SNR + 1, so that the first step of sampling, whose SNR is 0, counts.
    """
    # SNR + 1 is 1 / (1 - alpha), where alpha is the share of signal in the variance.
    return (max_snr * (1 - alphas_cumprod)).clamp(max=1.0)


MIDDLE = (slice(6, 15), slice(4, 12))
"""Rows and columns of the latents where a subject is."""


def middle_weights(side: int, middle: float) -> torch.Tensor:
    """Weights of the errors of latents (side, side), of mean 1.

    Args:
        middle: the weight in the middle, to 1 elsewhere. With 1 the model learns places, and
            subjects late.
    """
    weights = torch.ones(side, side)
    weights[MIDDLE] = middle
    return weights / weights.mean()


def train_diffusion(
    recipe: Recipe, work: Path, scenes: Scenes, latents: torch.Tensor, scaling: float
) -> nn.ModuleDict:
    """Train U-Net and text encoder from scratch."""
    torch.manual_seed(recipe.seed + 1)
    tokenizer = build.build_tokenizer(work / "tokenizer")
    live = nn.ModuleDict(
        {"unet": build.build_unet(), "text_encoder": build.build_text_encoder(tokenizer)}
    )
    return fit_diffusion(recipe, work, scenes, latents, scaling, live)


def fit_diffusion(
    recipe: Recipe,
    work: Path,
    scenes: Scenes,
    latents: torch.Tensor,
    scaling: float,
    live: nn.ModuleDict,
    window: int = 1000,
    max_snr: float = float("inf"),
    compiled: bool = False,
) -> nn.ModuleDict:
    """Train U-Net and text encoder together: velocity loss, captions dropped for guidance.

    Args:
        window: steps over which the weights are averaged.
        max_snr: bound on the weight of a timestep (see `velocity_weights`).
        compiled: compile the U-Net: two minutes at each start, a fifth faster then.

    Returns:
        An exponential average of the weights over about the last `window` steps.
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
        recipe.bfloat16,
        recipe.muon,
    )
    index = stream(recipe.seed, len(latents), recipe.diffusion_batch, 2, training.step)
    unet = torch.compile(live["unet"]) if compiled else live["unet"]
    middle = middle_weights(latents.shape[-1], recipe.middle_weight)

    def loss_of(step: int) -> torch.Tensor:
        draw, chosen = generator(recipe.seed, step, 2), next(index)
        clean = latents[chosen].float().to(memory_format=torch.channels_last) * scaling
        noise = torch.randn(clean.shape, generator=draw)
        # Stratified timesteps lower the variance of the gradient. The exponent favours noisy ones,
        # where the prompt decides subject and mood.
        spread = (
            (torch.arange(len(clean)) + torch.rand(len(clean), generator=draw)) / len(clean)
        ) ** recipe.timestep_power
        timesteps = (spread * scheduler.config.num_train_timesteps).long()
        dropped = torch.rand(len(clean), 1, generator=draw) < recipe.caption_dropout
        context = live["text_encoder"](torch.where(dropped, empty, ids[chosen]))[0]
        noisy = scheduler.add_noise(clean, noise, timesteps)
        velocity = scheduler.get_velocity(clean, noise, timesteps)
        predicted = unet(noisy, timesteps, context).sample.float()
        errors = ((predicted - velocity).square() * middle).mean(dim=(1, 2, 3))
        return (velocity_weights(scheduler.alphas_cumprod[timesteps], max_snr) * errors).mean()

    training.run(
        loss_of, lambda: build.ema_update(average, live, 1 - 1 / min(window, training.step + 10))
    )
    return average


def assemble(
    work: Path, vae: nn.Module, scaling: float, average: nn.ModuleDict
) -> StableDiffusionPipeline:
    """The pipeline of trained parts, in float32."""
    vae.register_to_config(scaling_factor=scaling)
    return StableDiffusionPipeline(
        vae=copy.deepcopy(vae),
        text_encoder=average["text_encoder"],
        tokenizer=build.build_tokenizer(work / "tokenizer"),
        unet=average["unet"],
        scheduler=build.build_scheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def export(work: Path, out: Path, vae: nn.Module, scaling: float, average: nn.ModuleDict) -> None:
    """Save the diffusion model in the folder layout of diffusers."""
    pipe = assemble(work, vae, scaling, average)
    # Half precision for the two large parts: diffusers loads them as float32, transformers would
    # not.
    for part in (pipe.unet, pipe.vae):
        part.half()
    pipe.save_pretrained(out / "diffusion", safe_serialization=True)
    name_as_published(out / "diffusion" / "text_encoder" / "model.safetensors")


def name_as_published(file: Path) -> None:
    """Give the tensors of a CLIP's text encoder the names of published ones, `text_model.*`.

    Every release of transformers reads those. Some save them without that prefix, and others do
    not find them then: they fill the encoder with random numbers.
    """
    prefix, tensors = "text_model.", load_file(file)
    named = {prefix + name.removeprefix(prefix): tensor for name, tensor in tensors.items()}
    save_file(named, file, metadata={"format": "pt"})
