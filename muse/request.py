"""What is asked, what comes back, and where a request stands on its way."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

from torch import Tensor

from muse.emotions import Target


@dataclass(frozen=True)
class Request:
    """One image to make.

    Attributes:
        prompt: the content, in words; for an edit it describes the image.
        target: the emotion to evoke.
        seed: of the starting noise.
        negative_prompt: what guidance leads away from.
        image: float (3, h, w) in [0, 1] to edit, or None to generate.
    """

    prompt: str
    target: Target
    seed: int
    negative_prompt: str = ""
    image: Tensor | None = None


@dataclass
class Trace:
    """How one sample came about.

    Attributes:
        similarity: image-text similarity at each step until the start.
        start_step: the step at which guidance set in, None if it never did.
        inherent: the emotion that the content evoked by itself at the start.
        loss, confidence: at each reading of the guide: the loss, and the guide's confidence in the target.
        gradients, glances: readings made with a gradient and without. A glance that finds the guide in doubt is
            followed by a reading with a gradient, and only that one is listed.
        iterations: token updates spent.
        forwards: network forwards spent, a backward pass counted as one.
    """

    similarity: list[float] = field(default_factory=list)
    start_step: int | None = None
    inherent: str | None = None
    loss: list[float] = field(default_factory=list)
    confidence: list[float] = field(default_factory=list)
    gradients: int = 0
    glances: int = 0
    iterations: int = 0
    forwards: int = 0


@dataclass(frozen=True)
class Sample:
    """A finished request: uint8 pixels (h, w, 3) and its trace; or, on failure, the reason and no pixels."""

    pixels: Tensor | None
    trace: Trace
    failure: str | None = None


class Phase(enum.Enum):
    """What a request needs next.

    UNDO: a step of the inversion of its image. LOOK: the plain prediction that decides WHEN. GLANCE: a
    reading of the guide without a gradient, as long as it is convinced. READ: one with a gradient.
    STEP: the denoising step. DONE: nothing.
    """

    UNDO = enum.auto()
    LOOK = enum.auto()
    GLANCE = enum.auto()
    READ = enum.auto()
    STEP = enum.auto()
    DONE = enum.auto()


@dataclass
class Row:
    """A request on its way.

    Attributes:
        number: its place in the batch.
        scale: its classifier-free guidance.
        index: the denoising step it stands at.
        first: the step at which it turns from undoing to denoising.
        inherent: index of the emotion that the content evokes by itself, known once it has `started`.
        convinced: whether the guide was, when it last read.
        readings: of the guide, at this step.
        best: the lowest loss read at this step.
        told: whether the conditional output of this step is known; based: the unconditional one.
    """

    number: int
    request: Request
    scale: float
    phase: Phase
    index: int
    first: int = 0
    trace: Trace = field(default_factory=Trace)
    started: bool = False
    inherent: int = -1
    convinced: bool = False
    readings: int = 0
    best: float = float("inf")
    told: bool = False
    based: bool = False
    failure: str | None = None

    def fail(self, reason: str) -> None:
        self.failure, self.phase = reason, Phase.DONE

    def enter(self, index: int, phase: Phase) -> None:
        """Begin step `index`."""
        self.index, self.phase = index, phase
        self.readings, self.best, self.told, self.based = 0, float("inf"), False, False
