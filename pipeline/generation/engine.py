"""What is asked of an engine, and what it gives back: the seam between a run and whatever draws its images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from PIL import Image

from muse.emotions import Target
from pipeline.planning.plan import PlannedRequest


@dataclass(frozen=True)
class EngineInput:
    """One image to draw: the request, its target, and the opened source image to edit (None to generate).

    Attributes:
        source: SHA-256 of the source image as it was encoded.
    """

    planned: PlannedRequest
    target: Target
    image: Image.Image | None
    source: str = ""


@dataclass(frozen=True)
class Scores:
    """What a classifier sees in an image.

    Attributes:
        probabilities: over the taxonomy.
        confidence: how far they confirm the target (see `Target.confidence`).
    """

    probabilities: Sequence[float] = ()
    confidence: float = 0.0


@dataclass(frozen=True)
class EngineOutput:
    """One request as the engine left it.

    Attributes:
        image: RGB; None if it failed.
        judge, guide: what either sees in it.
        similarity: of image and prompt.
        trace: how it came about, the fields of `muse.request.Trace`.
        failure: why there is no image.
    """

    image: Image.Image | None
    judge: Scores = Scores()
    guide: Scores = Scores()
    similarity: float = 0.0
    trace: Mapping[str, Any] = field(default_factory=dict)
    failure: str = ""


class Engine(Protocol):
    """Whatever draws. Source images are handed to it as squares of `side` pixels."""

    @property
    def side(self) -> int: ...

    def draw(self, requests: Sequence[EngineInput]) -> list[EngineOutput]:
        """Draw all requests together, one result each, in their order.

        Raises:
            Exception: nothing came of the batch as a whole.
        """
        ...
