"""A request on its way through the engine: the row of the batch, and its phase."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

from muse.request import Request, Trace


class Phase(enum.Enum):
    """What a row needs next.

    INVERT: one step of the DDIM inversion of its image.
    TIMING: the prediction that decides whether guidance starts.
    CHECK: an evaluation by the guide without a gradient, as long as it stays confident and the
        content is kept.
    OPTIMIZE: an evaluation with a gradient, and an update of the tokens.
    STEP: the denoising step.
    DONE: nothing.
    """

    INVERT = enum.auto()
    TIMING = enum.auto()
    CHECK = enum.auto()
    OPTIMIZE = enum.auto()
    STEP = enum.auto()
    DONE = enum.auto()


@dataclass
class Row:
    """A request on its way.

    Attributes:
        number: its place in the batch, and its index in every tensor of
            `muse.engine.state.BatchState`.
        guidance_scale: of classifier-free guidance.
        step: the denoising step at which it stands.
        first_step: the step at which denoising begins; for an edit by inversion, where that ends.
        stays_fitted: whether its tokens are used as they were fitted, from the first step on.
        started: whether guidance has started.
        inherent: index of the emotion that the content evokes by itself; -1 until `started`.
        is_confident: whether the guide was, at its last evaluation, with the content kept.
        evaluations: with a gradient, at this step.
        lowest_loss: among them.
        has_conditional, has_unconditional: whether these outputs of the network are known for this
            step.
        failure: the reason if it has failed, else None.
    """

    number: int
    request: Request
    guidance_scale: float
    phase: Phase
    step: int
    first_step: int = 0
    trace: Trace = field(default_factory=Trace)
    stays_fitted: bool = False
    started: bool = False
    inherent: int = -1
    is_confident: bool = False
    evaluations: int = 0
    lowest_loss: float = float("inf")
    has_conditional: bool = False
    has_unconditional: bool = False
    failure: str | None = None

    def fail(self, reason: str) -> None:
        self.failure, self.phase = reason, Phase.DONE

    def enter(self, step: int, phase: Phase) -> None:
        """Begin a denoising step in this phase."""
        self.step, self.phase = step, phase
        self.evaluations, self.lowest_loss = 0, float("inf")
        self.has_conditional = self.has_unconditional = False
