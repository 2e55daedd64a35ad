"""Drawing styles: how shapes are drawn, and what is done to the finished picture."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

import numpy as np
from PIL import Image, ImageFilter

from muse.mini.world.drawing.pen import Strokes


def _wash(picture: Image.Image, rng: Random) -> Image.Image:
    """Watercolour: pigment gathers at edges, and lies on the paper in clouds."""
    soft = picture.filter(ImageFilter.GaussianBlur(0.8))
    pixels, blurred = (np.asarray(image, np.float32) for image in (picture, soft))
    cells = np.array([rng.uniform(120, 255) for _ in range(36)], np.uint8).reshape(6, 6)
    cloud = Image.fromarray(cells).resize(picture.size, Image.Resampling.BICUBIC)
    amount = 0.78 + 0.24 * np.asarray(cloud, np.float32)[..., None] / 255
    edges = np.abs(pixels - blurred).mean(2, keepdims=True)
    mixed = 0.55 * pixels + 0.45 * blurred
    washed = 252 - (252 - mixed) * amount - 0.8 * edges
    return Image.fromarray(np.clip(washed, 0, 255).astype(np.uint8))


def _plain(picture: Image.Image, rng: Random) -> Image.Image:
    return picture


@dataclass(frozen=True)
class Style:
    """A drawing style.

    Attributes:
        words: how a caption names it, the usual way first; the content follows.
        strokes: how shapes are drawn.
        finish: what is done to the picture at its final size.
    """

    words: tuple[str, ...]
    strokes: Strokes
    finish: Callable[[Image.Image, Random], Image.Image] = _plain


STYLES: dict[str, Style] = {
    "flat": Style(("a flat drawing of", "an illustration of"), Strokes()),
    "comic": Style(("a comic of", "a cartoon of"), Strokes(outline=0.0095)),
    "collage": Style(("a paper collage of", "a cut-out of"), Strokes(shadow=0.012, wobble=0.01)),
    "watercolour": Style(("a watercolour of", "a painting of"), Strokes(wobble=0.016), _wash),
}
