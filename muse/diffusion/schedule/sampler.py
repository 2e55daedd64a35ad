"""Noise schedules, and the denoising step of rows that may stand at different steps.

A latent is z = alpha x0 + sigma eps at every noise level, whatever the family: variance-preserving
schedules have alpha^2 + sigma^2 = 1, flow matching has alpha + sigma = 1. One step function then
serves them all, and Euler's method on the probability-flow ODE is the same step as DDIM. Samplers
that remember more than the step before, or draw noise, take their steps in `RowSolver`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from muse.diffusion.schedule.row_solver import RowSolver


@dataclass(frozen=True)
class Schedule:
    """The denoising steps of one run.

    Attributes:
        timesteps: (n,), falling; what the network is given at each step.
        alphas, sigmas: float64 (n + 1,), signal and noise at the start of each step, and at the
            end.
        prediction: what the network's output means: `epsilon`, `v_prediction`, `sample`,
            `flow_prediction` or `edm_prediction`.
        step: the sampler, for all rows at once.
        scheduler: a diffusers scheduler that takes the steps instead, row by row; None if `step`
            does.
        scales: float64 (n + 1,), the latents of `scheduler` over ours at each step.
        noise_scale: size of the starting noise; 1 but for some spacings of Euler's method.
        eta: noise that a step adds, where the sampler leaves that open.
        corrections: steps at which no row may begin, because they correct the one before.
    """

    timesteps: Tensor
    alphas: Tensor
    sigmas: Tensor
    prediction: str
    step: Sampler
    scheduler: Any = None
    scales: Tensor | None = None
    noise_scale: float = 1.0
    eta: float = 0.0
    corrections: range = range(0)

    def __len__(self) -> int:
        return len(self.timesteps)

    def level(self, index: Tensor, like: Tensor) -> tuple[Tensor, Tensor]:
        """(alpha, sigma) at the start of steps `index` (b,) in [0, n], each (b, 1, 1, 1).

        They have the device and dtype of `like`.
        """
        shape = (-1, 1, 1, 1)
        return self.alphas[index].view(shape).to(like), self.sigmas[index].view(shape).to(like)

    def initial(self, noise: Tensor) -> Tensor:
        """The latents at the start, from standard normal noise."""
        return noise if self.noise_scale == 1.0 else noise * self.noise_scale

    def noised(self, latents: Tensor, noise: Tensor, step: int) -> Tensor:
        """Clean latents as they are at the start of `step` in [0, n], with this noise."""
        return float(self.alphas[step]) * latents + float(self.sigmas[step]) * noise

    def begin(self, step: int) -> int:
        """The first step from `step` on at which a row may begin."""
        return step + 1 if step in self.corrections else step

    def stays(self, step: int) -> bool:
        """Whether a step is a correction that ends at the noise level at which it starts: there is
        nothing to invert."""
        return step in self.corrections and bool(self.sigmas[step] == self.sigmas[step + 1])

    def solver(self, generator: torch.Generator, first_step: int = 0) -> RowSolver | None:
        """What takes the steps of a row that begins at `first_step`; None if `step` does.

        Args:
            generator: of the noise of the row's steps, on the CPU.
        """
        if self.scheduler is None or self.scales is None:
            return None
        return RowSolver(self.scheduler, self.scales, self.eta, generator, first_step)


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
    eps - x0 (Lipman et al., arXiv 2210.02747). Of EDM (Karras et al., arXiv 2206.00364, table 1)
    it is F = -v, where x0 is the data over its standard deviation (see `latent_scale`).

    Raises:
        ValueError: if `prediction` is none of those of `Schedule.prediction`.
    """
    if prediction == "v_prediction":
        return alpha * latents - sigma * output, sigma * latents + alpha * output
    if prediction == "epsilon":
        return (latents - sigma * output) / alpha, output
    if prediction == "sample":
        return output, (latents - alpha * output) / sigma
    if prediction == "edm_prediction":
        return alpha * latents + sigma * output, sigma * latents - alpha * output
    if prediction == "flow_prediction":
        return latents - sigma * output, latents + alpha * output
    raise ValueError(f"unknown prediction type {prediction!r}")


def apply_cfg(
    conditional: Tensor, unconditional: Tensor, scale: float | Tensor, rescale: float = 0.0
) -> Tensor:
    """Classifier-free guidance (Ho and Salimans, arXiv 2207.12598): u + scale (c - u).

    Args:
        rescale: how far each row's standard deviation is brought back to that of the conditional
            output, in [0, 1] (Lin et al., arXiv 2305.08891, section 3.4).
    """
    guided = unconditional + scale * (conditional - unconditional)
    if rescale == 0.0:
        return guided
    deviations = [output.std(dim=(1, 2, 3), keepdim=True) for output in (conditional, guided)]
    rescaled = guided * (deviations[0] / deviations[1])
    return rescale * rescaled + (1 - rescale) * guided


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
    schedule: Schedule,
    index: Tensor,
    latents: Tensor,
    output: Tensor,
    prev_x0: Tensor,
    solvers: Sequence[RowSolver | None] = (),
) -> tuple[Tensor, Tensor]:
    """One denoising step of each row: its latents at step index + 1, and the x0 that it took.

    Args:
        index: int64 (b,), the step of each row.
        latents: (b, c, h, w), at the start of that step.
        output: the network's, of the same shape, after classifier-free guidance.
        prev_x0: the x0 of each row's step before, NaN where there is none.
        solvers: of each row, if the schedule has a scheduler (see `Schedule.solver`); they advance.
    """
    alpha, sigma = schedule.level(index, latents)
    x0, _ = to_x0_eps(output, latents, alpha, sigma, schedule.prediction)
    if schedule.scheduler is None:
        return schedule.step(schedule, index, latents, x0, prev_x0), x0
    rows = []
    for solver, step, row, predicted in zip(solvers, index.tolist(), latents, output, strict=True):
        assert solver is not None, "every row of such a schedule has a solver"
        rows.append(solver.step(step, row, predicted))
    return torch.stack(rows), x0
