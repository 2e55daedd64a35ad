"""The denoising loop for rows at the same step, with a hook for each prediction and each step.

The reference, the baselines of the evaluation and the benchmark's lockstep run through it; only
`muse.engine`, whose rows stand at different steps, has a loop of its own. Both take their steps
with `muse.diffusion.schedule.sampler.denoise_step`.

How known methods fit (each is tried in `tests/muse/diffusion/test_denoising.py`):

- combined directions, as in composable diffusion (Liu et al., arXiv 2206.01714): `predict` combines
  several outputs of the network;
- null-text optimisation (Mokady et al., arXiv 2211.09794): `predict` optimises the unconditional
  embedding until `state.advance(output)` meets the path of the inversion;
- guidance by a gradient in the latents with travel back in time (FreeDoM, Yu et al., arXiv
  2303.09833): `predict` keeps the gradient, and `on_step` moves the latents by it, or gives a state
  whose `step` is the one just taken, with noise added again;
- particles (Feynman-Kac steering, Singhal et al., arXiv 2501.06848): `on_step` resamples rows with
  `following.rows(ancestors)` and adds noise to their latents.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from muse.diffusion.backbones.base import Backbone, Conditioning
from muse.diffusion.schedule.row_solver import RowSolver
from muse.diffusion.schedule.sampler import Schedule, apply_cfg, denoise_step, to_x0_eps


@dataclass(frozen=True)
class DenoisingState:
    """Where all rows of a batch stand.

    Attributes:
        schedule: n denoising steps.
        step: the next one, in [0, n]; n means that the latents are clean.
        latents: (b, c, h, w), at the start of `step`.
        prev_x0: (b, c, h, w), the one-step x0 of the step before, after guidance; NaN at the first.
        solvers: of each row, where the schedule has a scheduler; they are never changed.
    """

    schedule: Schedule
    step: int
    latents: Tensor
    prev_x0: Tensor
    solvers: tuple[RowSolver | None, ...] = ()

    @classmethod
    def start(
        cls,
        schedule: Schedule,
        latents: Tensor,
        step: int = 0,
        generators: Sequence[torch.Generator] = (),
    ) -> DenoisingState:
        """Before the first step that is taken.

        Args:
            generators: of each row's noise, on the CPU, for samplers that draw some; by default
                those of the seeds 0, 1, ...
        """
        if not generators:
            generators = [torch.Generator().manual_seed(row) for row in range(len(latents))]
        solvers = tuple(schedule.solver(generator, step) for generator in generators)
        return cls(schedule, step, latents, torch.full_like(latents, float("nan")), solvers)

    @property
    def index(self) -> Tensor:
        """`step` for each row: int64 (b,), on the CPU."""
        return torch.full((len(self.latents),), self.step)

    @property
    def timesteps(self) -> Tensor:
        """What the network is given for each row: (b,), on the device of the latents."""
        return self.schedule.timesteps[self.index].to(self.latents.device)

    @property
    def progress(self) -> float:
        """Share of the steps done, in [0, 1]."""
        return self.step / len(self.schedule)

    def x0(self, output: Tensor, latents: Tensor | None = None) -> Tensor:
        """The one-step x0 (b, c, h, w) that a network's output stands for at this step.

        Args:
            latents: those that the network was given, if they are a leaf with a gradient.
        """
        latents = self.latents if latents is None else latents
        alpha, sigma = self.schedule.level(self.index, latents)
        return to_x0_eps(output, latents, alpha, sigma, self.schedule.prediction)[0]

    def advance(self, output: Tensor) -> DenoisingState:
        """The state after this step, taken with a network's output (b, c, h, w)."""
        solvers = tuple(solver and solver.copy() for solver in self.solvers)
        latents, x0 = denoise_step(
            self.schedule, self.index, self.latents, output, self.prev_x0, solvers
        )
        return DenoisingState(self.schedule, self.step + 1, latents, x0, solvers)

    def rows(self, index: Tensor) -> DenoisingState:
        """The rows `index` (m,) of this state, in that order and as often as they are named."""
        solvers = tuple(self.solvers[row] for row in index.tolist())
        return replace(
            self, latents=self.latents[index], prev_x0=self.prev_x0[index], solvers=solvers
        )


Predict = Callable[[DenoisingState], Tensor]
"""The hook of each prediction: the network's output (b, c, h, w) to take the step with."""

OnStep = Callable[[DenoisingState, DenoisingState], DenoisingState | None]
"""The hook of each step: (the state before it, the state after it) -> the state to go on from.

None goes on from the state after the step. Any other state may stand at any step: one that stands
at an earlier step is denoised from there again, so a hook must see to it that the loop ends.
"""


def denoise(state: DenoisingState, predict: Predict, on_step: OnStep | None = None) -> Tensor:
    """Take the denoising steps from `state` to the end; returns the clean latents (b, c, h, w)."""
    while state.step < len(state.schedule):
        following = state.advance(predict(state))
        replaced = None if on_step is None else on_step(state, following)
        state = following if replaced is None else replaced
    return state.latents


def cfg_predictor(
    backbone: Backbone, conditional: Conditioning, unconditional: Conditioning, scale: float
) -> Predict:
    """The prediction of plain sampling: classifier-free guidance between two conditionings."""

    def predict(state: DenoisingState) -> Tensor:
        conditional_output = backbone.predict(state.latents, state.timesteps, conditional)
        unconditional_output = backbone.predict(state.latents, state.timesteps, unconditional)
        return apply_cfg(conditional_output, unconditional_output, scale)

    return predict
