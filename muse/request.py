"""What the engine is given, a request, and what it gives back, a sample with its trace."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor

from muse.emotions import Target
from muse.sizes import Size


@dataclass(frozen=True)
class Request:
    """One image to make.

    Attributes:
        prompt: the content, in words; for an edit it describes the image.
        target: the emotion to evoke.
        seed: of the starting noise, in [0, 2^63).
        negative_prompt: what classifier-free guidance leads away from. None is the model's own
            notion of no prompt: SDXL was trained with zeros for it, others with an empty text.
        image: float (3, h, w) in [0, 1], the picture to edit; None to generate.
        size: of the image; None for the model's own. A picture of another size is squashed to it.
        mask: bool (h, w), the part of `image` that may change; None for all of it.
    """

    prompt: str
    target: Target
    seed: int
    negative_prompt: str | None = None
    image: Tensor | None = None
    size: Size | None = None
    mask: Tensor | None = None

    def __post_init__(self) -> None:
        if self.mask is None:
            return
        if self.image is None or self.mask.shape != self.image.shape[1:]:
            raise ValueError("a mask belongs to an image of its own height and width")


@dataclass
class Trace:
    """How one sample was made.

    Attributes:
        similarity: image-text similarity in [-1, 1] at each step until guidance started.
        start_step: the step at which guidance started, None if it never did.
        inherent: the emotion that the content evoked by itself at the start, None before it.
        loss, confidence: of each evaluation by the guide, its loss (with the content term, if there
            is one) and its confidence in the target in [0, 1]. An evaluation without gradient that
            is not confident is repeated with one, and only the second is listed.
        guide_gradients: evaluations by the guide with a gradient.
        guide_forwards: evaluations by the guide without one.
        updates: updates of the tokens.
        nfe: network function evaluations; a backward pass counts as one.
    """

    similarity: list[float] = field(default_factory=list)
    start_step: int | None = None
    inherent: str | None = None
    loss: list[float] = field(default_factory=list)
    confidence: list[float] = field(default_factory=list)
    guide_gradients: int = 0
    guide_forwards: int = 0
    updates: int = 0
    nfe: int = 0


@dataclass(frozen=True)
class Sample:
    """A finished request.

    Attributes:
        pixels: uint8 (h, w, 3) RGB; None if the request failed.
        trace: how it was made.
        failure: the reason if the request failed, else None.
        tokens: float32 (k, d), the emotional tokens of its last guided step, where the guide was
            confident of them and the content was kept; else None.
    """

    pixels: Tensor | None
    trace: Trace
    failure: str | None = None
    tokens: Tensor | None = None
