"""Brightness and colourfulness of pictures."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image

SIDE = 128
"""Pixels to which a picture is reduced before it is measured."""

EMOSET_NOTE = (
    "EmoSet (Yang et al., ICCV 2023) labels photographs with these two measures as well. Its own "
    "values are not shown here: the data set is given out on request alone."
)


def brightness(image: Image.Image) -> float:
    """The mean luma (ITU-R BT.601) of a picture, from 0 (black) to 1 (white)."""
    return float(np.asarray(_reduced(image).convert("L"), dtype=np.float64).mean() / 255)


def colourfulness(image: Image.Image) -> float:
    """The measure M3 of Hasler and Süsstrunk, "Measuring colourfulness in natural images" (2003).

    From 0 (grey) to about 110 (extremely colourful).
    """
    red, green, blue = np.asarray(_reduced(image), dtype=np.float64).transpose(2, 0, 1)
    red_green, yellow_blue = red - green, (red + green) / 2 - blue
    spread = np.hypot(red_green.std(), yellow_blue.std())
    centre = np.hypot(red_green.mean(), yellow_blue.mean())
    return float(spread + 0.3 * centre)


def quartiles(values: Sequence[float]) -> tuple[float, float, float]:
    """Lower quartile, median and upper quartile."""
    low, middle, high = np.percentile(values, (25, 50, 75))
    return float(low), float(middle), float(high)


def _reduced(image: Image.Image) -> Image.Image:
    small = image.convert("RGB")
    small.thumbnail((SIDE, SIDE), Image.Resampling.BOX)
    return small
