"""A row's own copy of one of diffusers' schedulers, for steps that remember or draw noise.

Rows stand at different steps, while a diffusers scheduler has one state for a whole batch. The
network still runs for all rows at once; only the arithmetic of the step is done row by row.
"""

from __future__ import annotations

import copy
import inspect
from typing import Any

import torch
from torch import Tensor

LMS_ORDER = 4
"""Derivatives that linear multistep uses, in diffusers' pipelines as well."""


class RowSolver:
    """The steps of one row.

    Args:
        scheduler: with its timesteps set; it is copied.
        scales: float64 (n + 1,), the scheduler's latents over ours at each step and at the end.
        eta: of schedulers that have one, how much noise a step adds, in [0, 1].
        generator: of the row's noise, on the CPU.
        first_step: the step at which the row begins.
    """

    def __init__(
        self,
        scheduler: Any,
        scales: Tensor,
        eta: float,
        generator: torch.Generator,
        first_step: int = 0,
    ):
        self.scheduler, self.scales, self.generator = copy.deepcopy(scheduler), scales, generator
        self.first_step = first_step
        if hasattr(scheduler, "set_begin_index"):
            self.scheduler.set_begin_index(first_step)
        # The input is scaled by us, of which the scheduler would warn.
        self.scheduler.is_scale_input_called = True
        known = inspect.signature(scheduler.step).parameters
        offered = {"eta": eta, "generator": generator}
        self.options = {name: value for name, value in offered.items() if name in known}

    def copy(self) -> RowSolver:
        """One that goes on from the same state with the same noise."""
        generator = torch.Generator()
        generator.set_state(self.generator.get_state())
        solver = copy.copy(self)
        solver.scheduler, solver.generator = copy.deepcopy(self.scheduler), generator
        if "generator" in self.options:
            solver.options = self.options | {"generator": generator}
        return solver

    def step(self, index: int, latents: Tensor, output: Tensor) -> Tensor:
        """The latents (c, h, w) at step index + 1; steps must be taken one after the other.

        Args:
            latents: at the start of step `index`.
            output: of the network, after classifier-free guidance.
        """
        timestep = self.scheduler.timesteps[index]
        theirs = latents[None] * float(self.scales[index])
        options = self.options
        if type(self.scheduler).__name__ == "LMSDiscreteScheduler":
            # By itself it counts derivatives from step 0, also of a row that begins later.
            options = options | {"order": min(LMS_ORDER, index - self.first_step + 1)}
        stepped = self.scheduler.step(output[None], timestep, theirs, **options)
        # PNDM repeats its second timestep to correct the first step. A row that begins later, as
        # an edit does, begins with a first-order step instead and has nothing to repeat.
        if index == self.first_step > 0 and type(self.scheduler).__name__ == "PNDMScheduler":
            self.scheduler.counter, self.scheduler.cur_sample = 2, None
        return stepped.prev_sample[0] / float(self.scales[index + 1])
