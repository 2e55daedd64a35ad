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
        timesteps: (n,), falling; what the network is given at each step.
        alphas, sigmas: float64 (n + 1,), signal and noise at the start of each step, and at the
            end.
        prediction: what the network's output means: `epsilon`, `v_prediction`, `sample` or
            `flow_prediction`.
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
        """(alpha, sigma) at the start of steps `index` (b,) in [0, n], each (b, 1, 1, 1).

        They have the device and dtype of `like`.
        """
        shape = (-1, 1, 1, 1)
        return self.alphas[index].view(shape).to(like), self.sigmas[index].view(shape).to(like)


Sampler = Callable[[Schedule, Tensor, Tensor, Tensor, Tensor], Tensor]
"""(schedule, index, latents, x0, prev_x0) -> latents at steps index + 1.

`index` is int64 (b,); all others are (b, c, h, w). `prev_x0` is the x0 of the row's step before,
NaN if it has none.
"""


def to_x0_eps(
    output: Tensor, latents: Tensor, alpha: Tensor | float, sigma: Tensor | float, prediction: str
) -> tuple[Tensor, Tensor]:
    """The one-step predictions (x0, eps) that a network's output (b, c, h, w) stands for.

    v = alpha eps - sigma x0 (Salimans and Ho, arXiv 2202.00512); in flow matching the output is
    eps - x0 (Lipman et al., arXiv 2210.02747).

    Raises:
        ValueError: if `prediction` is none of the four of `Schedule.prediction`.
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


def apply_cfg(conditional: Tensor, unconditional: Tensor, scale: float | Tensor) -> Tensor:
    """Classifier-free guidance (Ho and Salimans, arXiv 2207.12598): u + scale (c - u)."""
    return unconditional + scale * (conditional - unconditional)


def ddim(schedule: Schedule, index: Tensor, latents: Tensor, x0: Tensor, prev_x0: Tensor) -> Tensor:
    """Deterministic DDIM (Song et al., arXiv 2010.02502), z' = alpha' x0 + sigma' eps.

    Euler's method on the probability-flow ODE is the same step.
    """
    alpha, sigma = schedule.level(index, latents)
    alpha_next, sigma_next = schedule.level(index + 1, latents)
    return alpha_next * x0 + sigma_next * (latents - alpha * x0) / sigma


def dpmpp_2m(
    schedule: Schedule, index: Tensor, latents: Tensor, x0: Tensor, prev_x0: Tensor
) -> Tensor:
    """DPM-Solver++(2M) (Lu et al., arXiv 2211.01095, algorithm 2).

    With lambda = log(alpha / sigma), h the gain in lambda of this step, and r the gain of the step
    before over h: D = x0 + (x0 - prev_x0) / (2 r), z' = sigma'/sigma z + alpha' (1 - e^-h) D. A
    row's first and last steps are of first order.
    """
    alpha, sigma = schedule.level(index, latents)
    alpha_next, sigma_next = schedule.level(index + 1, latents)
    alpha_prev, sigma_prev = schedule.level((index - 1).clamp(min=0), latents)
    gain = torch.log(alpha_next / sigma_next) - torch.log(alpha / sigma)
    ratio = (torch.log(alpha / sigma) - torch.log(alpha_prev / sigma_prev)) / gain
    second_order = ~torch.isnan(prev_x0) & torch.isfinite(gain) & (sigma_next > 0)
    direction = torch.where(second_order, x0 + (x0 - prev_x0) / (2 * ratio), x0)
    return sigma_next / sigma * latents + (alpha_next - alpha * sigma_next / sigma) * direction


def denoise_step(
    schedule: Schedule, index: Tensor, latents: Tensor, output: Tensor, prev_x0: Tensor
) -> tuple[Tensor, Tensor]:
    """One denoising step of each row: its latents at step index + 1, and the x0 that it took.

    Args:
        index: int64 (b,), the step of each row.
        latents: (b, c, h, w), at the start of that step.
        output: the network's, of the same shape, after classifier-free guidance.
        prev_x0: the x0 of each row's step before, NaN where there is none.
    """
    alpha, sigma = schedule.level(index, latents)
    x0, _ = to_x0_eps(output, latents, alpha, sigma, schedule.prediction)
    return schedule.step(schedule, index, latents, x0, prev_x0), x0


SAMPLERS: dict[str, tuple[str, Sampler]] = {
    "ddim": ("DDIMScheduler", ddim),
    "euler": ("EulerDiscreteScheduler", ddim),
    "dpm++": ("DPMSolverMultistepScheduler", dpmpp_2m),
    "flow": ("FlowMatchEulerDiscreteScheduler", ddim),
}
"""By name: the diffusers scheduler that has the noise levels, and the step."""

# PNDM, with which SD 1.5 came, has one state for all rows of a batch, but here rows stand at
# different steps. DDIM has the same noise levels, at first order.
NATIVE = {scheduler: name for name, (scheduler, _) in SAMPLERS.items()} | {"PNDMScheduler": "ddim"}


def make_schedule(config: Mapping[str, Any], steps: int, sampler: str = "model") -> Schedule:
    """The schedule of `steps` steps for a model.

    Args:
        config: of the diffusers scheduler that the model came with, with its `_class_name`.
        steps: at least 1.
        sampler: a name in `SAMPLERS`, or `model` for the sampler that the model came with.

    Raises:
        ValueError: if the sampler is unknown, does not fit the model's training, or is the model's
            own and cannot be written as a function of the one-step x0; the message names those that
            can.
    """
    import diffusers

    own = str(config.get("_class_name", "DDIMScheduler"))
    if sampler == "model":
        if own not in NATIVE:
            raise ValueError(
                f"the model's scheduler {own} cannot be used; choose another with "
                f"method.sampler: {', '.join(SAMPLERS)}"
            )
        sampler = NATIVE[own]
    if sampler not in SAMPLERS:
        raise ValueError(f"sampler is {sampler!r}; choose model, {', '.join(SAMPLERS)}")
    if ("FlowMatch" in own) != (sampler == "flow"):
        raise ValueError(
            f"the model was trained for {own}; sampler {sampler!r} cannot run it, choose model"
        )
    name, step = SAMPLERS[sampler]
    # Clipping and thresholding belong to models of pixels; they distort latents.
    scheduler = getattr(diffusers, name).from_config(
        dict(config), clip_sample=False, thresholding=False
    )
    if step is dpmpp_2m and (scheduler.config.algorithm_type, scheduler.config.solver_order) != (
        "dpmsolver++",
        2,
    ):
        raise ValueError(
            f"DPM-Solver of type {scheduler.config.algorithm_type!r} and order "
            f"{scheduler.config.solver_order} cannot be used; "
            "choose another with method.sampler: ddim, euler"
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
    # These are sigma / alpha, as in k-diffusion; alpha^2 + sigma^2 = 1 then gives alpha.
    alphas = (1 + sigmas.square()).rsqrt()
    return alphas, sigmas * alphas
