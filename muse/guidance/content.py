"""WHICH content stays: the term that keeps an image close to its prompt, an edit to its source.

Emotional tokens may displace what the prompt asks for. The similarity that decides WHEN guidance
starts tells so, too, and has a gradient.
"""

from __future__ import annotations

import torch
from torch import Tensor

from muse.classifiers.clip import ClipSimilarity, similarity
from muse.method import Method


def content_loss(
    image: Tensor, text: Tensor, source: Tensor, editing: Tensor, method: Method
) -> Tensor:
    """The content term (b,) of each row, added to the multi-emotion loss; 0 where content is kept.

    L_content = w (max(0, a - cos(x0, prompt)) + max(0, a' - cos(x0, source))), with w the
    `content_weight`, a the `content_similarity` and a' the `content_source_similarity` of the
    method; the second part is of edits alone. Our choice: MUSE (arXiv 2511.21051) has no such term.
    It has a gradient only as long as it is violated.

    Args:
        image: unit vectors (b, d) of the one-step x0, from the image-text similarity.
        text: those of the plain prompts.
        source: those of the images that are edited; any others where there is none.
        editing: bool (b,), the rows that have a source.
    """
    missing = (method.content_similarity - similarity(image, text)).clamp(min=0)
    lost = (method.content_source_similarity - similarity(image, source)).clamp(min=0)
    return method.content_weight * (missing + editing * lost)


def content_term(
    clip: ClipSimilarity,
    pixels: Tensor,
    text: Tensor,
    source: Tensor,
    editing: Tensor,
    method: Method,
) -> Tensor:
    """`content_loss` (b,) of the one-step x0 as pixels (b, 3, h, w), about [0, 1].

    At a weight of 0 it is 0, and no image is evaluated.
    """
    if method.content_weight == 0:
        return torch.zeros(len(pixels), device=pixels.device)
    return content_loss(clip.image(pixels), text, source, editing, method)
