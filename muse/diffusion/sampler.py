"""Noise schedules and deterministic samplers as pure functions. Rows may stand at different steps.

A latent is z = alpha x0 + sigma eps at every noise level, whatever the family: variance-preserving
schedules have alpha^2 + sigma^2 = 1, flow matching has alpha + sigma = 1. One step function then
serves them all, and Euler's method on the probability-flow ODE is the same step as DDIM.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class Schedule:
    """The denoising steps of one run.

    Attributes:
        timesteps: (n,), falling; what the network is told.
        alphas, sigmas: float64 (n + 1,), signal and noise at each step's start, and at the end.
        prediction: `epsilon`, `v_prediction`, `sample` or `flow_prediction`: what the network's output means.
        step: the sampler.
    """

    timesteps: Tensor
    alphas: Tensor
    sigmas: Tensor
    prediction: str
    step: Sampler

    def __len__(self) -> int:
        return len(self.timesteps)

    def level(self, index: Tensor, like: Tensor) -> tuple[Tensor, Tensor]:
        """(alpha, sigma) at steps `index` (b,), each (b, 1, 1, 1) with the device and dtype of `like`."""
        shape = (-1, 1, 1, 1)
        return self.alphas[index].view(shape).to(like), self.sigmas[index].view(shape).to(like)


Sampler = Callable[[Schedule, Tensor, Tensor, Tensor, Tensor], Tensor]
"""(schedule, index (b,), latents, x0, the x0 of the step before or NaN) -> latents at index + 1."""


def split(
    output: Tensor, latents: Tensor, alpha: Tensor | float, sigma: Tensor | float, prediction: str
) -> tuple[Tensor, Tensor]:
    """The one-step predictions (x0, eps) that a network's output stands for.

    v = alpha eps - sigma x0 (Salimans and Ho, arXiv 2202.00512); in flow matching the output is
    eps - x0 (Lipman et al., arXiv 2210.02747).
    """
    if prediction == "v_prediction":
        return alpha * latents - sigma * output, sigma * latents + alpha * output
    if prediction == "epsilon":
        return (latents - sigma * output) / alpha, output
    if prediction == "sample":
        return output, (latents - alpha * output) / sigma
    if prediction == "flow_prediction":
        return latents - sigma * output, latents + alpha * output
    raise ValueError(f"unknown prediction type {prediction!r}")


def guided(conditional: Tensor, unconditional: Tensor, scale: float | Tensor) -> Tensor:
    """Classifier-free guidance (Ho and Salimans, arXiv 2207.12598)."""
    return unconditional + scale * (conditional - unconditional)


def ddim(schedule: Schedule, index: Tensor, latents: Tensor, x0: Tensor, before: Tensor) -> Tensor:
    """Deterministic DDIM (Song et al., arXiv 2010.02502), z' = alpha' x0 + sigma' eps, and Euler's method alike."""
    alpha, sigma = schedule.level(index, latents)
    onward, noise = schedule.level(index + 1, latents)
    return onward * x0 + noise * (latents - alpha * x0) / sigma


def dpmpp_2m(
    schedule: Schedule, index: Tensor, latents: Tensor, x0: Tensor, before: Tensor
) -> Tensor:
    """DPM-Solver++(2M) (Lu et al., arXiv 2211.01095, algorithm 2); first order at a row's first and last step.

    D = x0 + (x0 - before) / (2 r), z' = sigma'/sigma z + alpha' (1 - e^-h) D, with h the gain in
    log(alpha / sigma) of this step, and r the gain of the step before over h.
    """
    alpha, sigma = schedule.level(index, latents)
    onward, noise = schedule.level(index + 1, latents)
    earlier_alpha, earlier_sigma = schedule.level((index - 1).clamp(min=0), latents)
    gain = torch.log(onward / noise) - torch.log(alpha / sigma)
    ratio = (torch.log(alpha / sigma) - torch.log(earlier_alpha / earlier_sigma)) / gain
    second = ~torch.isnan(before) & torch.isfinite(gain) & (noise > 0)
    aim = torch.where(second, x0 + (x0 - before) / (2 * ratio), x0)
    return noise / sigma * latents + (onward - alpha * noise / sigma) * aim


SAMPLERS: dict[str, tuple[str, Sampler]] = {
    "ddim": ("DDIMScheduler", ddim),
    "euler": ("EulerDiscreteScheduler", ddim),
    "dpm++": ("DPMSolverMultistepScheduler", dpmpp_2m),
    "flow": ("FlowMatchEulerDiscreteScheduler", ddim),
}
"""What a user may name: the diffusers scheduler whose noise levels are used, and the step."""

# SD 1.5's own PNDM keeps its state for one batch in step; DDIM takes the same steps of first order.
NATIVE = {scheduler: name for name, (scheduler, _) in SAMPLERS.items()} | {"PNDMScheduler": "ddim"}


def make_schedule(config: Mapping[str, Any], steps: int, sampler: str = "model") -> Schedule:
    """The schedule of a diffusers scheduler's configuration. `model` takes the sampler that the model came with.

    Raises:
        ValueError: a scheduler whose step is not known here as a function of one-step x0, by its name, with those
            whose step is.
    """
    import diffusers

    own = str(config.get("_class_name", "DDIMScheduler"))
    if sampler == "model":
        if own not in NATIVE:
            raise ValueError(
                f"the model's scheduler {own} cannot be used: its steps are not known here as functions of x0; "
                f"choose another with method.sampler: {', '.join(SAMPLERS)}"
            )
        sampler = NATIVE[own]
    if sampler not in SAMPLERS:
        raise ValueError(f"sampler is {sampler!r}; choose model, {', '.join(SAMPLERS)}")
    if ("FlowMatch" in own) != (sampler == "flow"):
        raise ValueError(
            f"the model was trained for {own}; sampler {sampler!r} cannot run it, choose model"
        )
    name, step = SAMPLERS[sampler]
    # Clipping belongs to pixel models; on latents it distorts.
    scheduler = getattr(diffusers, name).from_config(
        dict(config), clip_sample=False, thresholding=False
    )
    if step is dpmpp_2m and (scheduler.config.algorithm_type, scheduler.config.solver_order) != (
        "dpmsolver++",
        2,
    ):
        raise ValueError(
            f"DPM-Solver of type {scheduler.config.algorithm_type!r} and order {scheduler.config.solver_order} "
            "cannot be used; choose another with method.sampler: ddim, euler"
        )
    scheduler.set_timesteps(steps)
    alphas, sigmas = _levels(scheduler, sampler)
    prediction = "flow_prediction" if sampler == "flow" else scheduler.config.prediction_type
    return Schedule(scheduler.timesteps.clone(), alphas, sigmas, prediction, step)


def _levels(scheduler: Any, sampler: str) -> tuple[Tensor, Tensor]:
    """(alphas, sigmas), float64 (n + 1,), of a scheduler whose timesteps are set."""
    if sampler == "ddim":
        signal = scheduler.alphas_cumprod.double()[scheduler.timesteps]
        power = torch.cat([signal, scheduler.final_alpha_cumprod.double().view(1)])
        return power.sqrt(), (1 - power).sqrt()
    sigmas = scheduler.sigmas.double()
    if sampler == "flow":
        return 1 - sigmas, sigmas
    # Noise over signal, as k-diffusion counts: alpha = 1 / sqrt(1 + s^2).
    alphas = (1 + sigmas.square()).rsqrt()
    return alphas, sigmas * alphas
