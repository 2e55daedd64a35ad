"""What keeps content: the term that holds an image to its prompt, and an edit to its source.

Emotional tokens may displace what the prompt asks for. The similarity that decides WHEN guidance
starts tells so, too, and has a gradient.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from muse.classifiers.clip import ClipSimilarity, similarity
from muse.method import Method


@dataclass(frozen=True)
class ContentTerm:
    """The content term of the loss.

    L_content = w (max(0, a - cos(x0, prompt)) + max(0, a' - cos(x0, source))); the second part is
    of edits alone. Our choice: MUSE (arXiv 2511.21051) has no such term. It has a gradient only
    while a similarity is below its level.

    Attributes:
        weight: w; at 0 the term is 0, and no image is evaluated.
        levels: a and a'.
    """

    weight: float
    levels: tuple[float, float]

    @classmethod
    def of(cls, method: Method, clip: ClipSimilarity) -> ContentTerm:
        """The term with the levels of the method, else of the similarity model.

        Where neither names a level the term is off.
        """
        levels = clip.levels.of(method)
        weight = method.content_weight if levels.steers else 0.0
        prompt, source = levels.content_similarity, levels.content_source_similarity
        # No cosine is below -1.
        return cls(weight, (-1.0 if prompt is None else prompt, -1.0 if source is None else source))

    def loss(self, image: Tensor, text: Tensor, source: Tensor, editing: Tensor) -> Tensor:
        """The term (b,) of each row; 0 where content is kept.

        Args:
            image: unit vectors (b, d) of the one-step x0, from the image-text similarity.
            text: those of the plain prompts.
            source: those of the images that are edited; any others where there is none.
            editing: bool (b,), the rows that have a source.
        """
        missing = (self.levels[0] - similarity(image, text)).clamp(min=0)
        lost = (self.levels[1] - similarity(image, source)).clamp(min=0)
        return self.weight * (missing + editing * lost)

    def of_pixels(
        self, clip: ClipSimilarity, pixels: Tensor, text: Tensor, source: Tensor, editing: Tensor
    ) -> Tensor:
        """`loss` (b,) of the one-step x0 as pixels (b, 3, h, w), about [0, 1]."""
        if self.weight == 0:
            return torch.zeros(len(pixels), device=pixels.device)
        return self.loss(clip.image(pixels), text, source, editing)
