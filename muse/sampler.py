"""DDIM (Song et al., arXiv 2010.02502) as pure functions over latents.

z_t = alpha_t x0 + sigma_t eps, with alpha_t^2 + sigma_t^2 = 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Schedule:
    """The denoising steps of one run.

    Attributes:
        timesteps: int64 (n,), falling; what the U-Net is told.
        alphas, sigmas: float64 (n + 1,), signal and noise at each step's start, and at the end.
        prediction: `epsilon`, `v_prediction` or `sample`: what the U-Net's output means.
    """

    timesteps: Tensor
    alphas: Tensor
    sigmas: Tensor
    prediction: str

    def __len__(self) -> int:
        return len(self.timesteps)


def make_schedule(scheduler_config, steps: int) -> Schedule:
    """The schedule of a diffusers scheduler's configuration, at `steps` DDIM steps."""
    from diffusers import DDIMScheduler

    scheduler = DDIMScheduler.from_config(scheduler_config, clip_sample=False, thresholding=False)
    scheduler.set_timesteps(steps)
    signal = scheduler.alphas_cumprod.double()[scheduler.timesteps]
    power = torch.cat([signal, scheduler.final_alpha_cumprod.double().view(1)])
    return Schedule(scheduler.timesteps, power.sqrt(), (1 - power).sqrt(), scheduler.config.prediction_type)


def split(output: Tensor, latents: Tensor, alpha: float, sigma: float, prediction: str) -> tuple[Tensor, Tensor]:
    """The one-step predictions (x0, eps) that a U-Net output stands for.

    v = alpha eps - sigma x0 (Salimans and Ho, arXiv 2202.00512).
    """
    if prediction == "v_prediction":
        return alpha * latents - sigma * output, sigma * latents + alpha * output
    if prediction == "epsilon":
        return (latents - sigma * output) / alpha, output
    if prediction == "sample":
        return output, (latents - alpha * output) / sigma
    raise ValueError(f"unknown prediction type {prediction!r}")


def step(x0: Tensor, eps: Tensor, alpha: float, sigma: float) -> Tensor:
    """Deterministic DDIM: the latents at the noise level (alpha, sigma)."""
    return alpha * x0 + sigma * eps


def guided(conditional: Tensor, unconditional: Tensor, scale: float | Tensor) -> Tensor:
    """Classifier-free guidance (Ho and Salimans, arXiv 2207.12598)."""
    return unconditional + scale * (conditional - unconditional)
