"""The interface between a run and whatever makes its images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from PIL import Image

from muse.emotions import Target
from muse.fitting import FittedImage
from muse.sizes import ModelSizes, Size
from pipeline.planning.plan import PlannedRequest

if TYPE_CHECKING:
    from muse.request import Trace


@dataclass(frozen=True)
class EngineInput:
    """One image to make.

    Attributes:
        planned: the request of the plan.
        target: the emotion to evoke.
        source: the opened source image of an edit; None to generate.
        source_sha256: of the source image as it was encoded, as hex; None to generate.
        size: of the image; None for the engine's own.
        original: the encoded source image, where the edit will be put back to its size.
        mask: where `image` may change, white on black; None for everywhere.
        mask_sha256: of the mask as it was encoded, as hex; None without one.
        original_mask: the encoded mask, where the edit will be put back to the size of its source.
    """

    planned: PlannedRequest
    target: Target
    source: FittedImage | None
    source_sha256: str | None = None
    size: Size | None = None
    original: bytes = b""
    mask: Image.Image | None = None
    mask_sha256: str | None = None
    original_mask: bytes = b""

    @property
    def image(self) -> Image.Image | None:
        """The picture to edit, of the size of the request; None to generate."""
        return None if self.source is None else self.source.image


@dataclass(frozen=True)
class Scores:
    """A classifier's scores of one image.

    Attributes:
        probabilities: of each label of the taxonomy, in its order, in [0, 1].
        confidence: how far they confirm the target, in [0, 1] (see `Target.confidence`).
    """

    probabilities: Sequence[float] = ()
    confidence: float = 0.0


@dataclass(frozen=True)
class PromptReading:
    """How a text encoder read the prompts of one image.

    Attributes:
        truncated: tokens of the prompt that it did not read; None if unknown.
        negative_truncated: those of the negative prompt; None if there is none that is read.
        windows: in which the longest prompt of the request was read; None if unknown.
    """

    truncated: int | None = None
    negative_truncated: int | None = None
    windows: int | None = None


@dataclass(frozen=True)
class EngineOutput:
    """What an engine made of one request.

    Attributes:
        image: RGB; None if it failed.
        judge, guide: the scores of either classifier.
        similarity: cosine of image and prompt, in [-1, 1].
        source_similarity: cosine of an edit and its source image, in [-1, 1]; None if generated.
        reading: how its prompts were read.
        trace: how the image came about; None from an engine without a model.
        failure: why there is no image; empty if there is one.
    """

    image: Image.Image | None
    judge: Scores = Scores()
    guide: Scores = Scores()
    similarity: float = 0.0
    source_similarity: float | None = None
    reading: PromptReading = PromptReading()
    trace: Trace | None = None
    failure: str = ""


class Engine(Protocol):
    """Whatever makes images. Source images are given to it at the size of their requests."""

    @property
    def sizes(self) -> ModelSizes: ...

    def draw(self, requests: Sequence[EngineInput]) -> list[EngineOutput]:
        """Make all requests, of one size, together: one output for each, in their order.

        Raises:
            Exception: nothing came of the batch as a whole.
        """
        ...

    def try_memory(self, count: int, size: Size) -> None:
        """Compute what takes the most memory for `count` requests of a size, and forget it.

        Raises:
            Exception: they do not fit.
        """
        ...
