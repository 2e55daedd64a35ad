"""How a picture of any shape gets the size of a model's images, and how its edit gets back."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image

from muse.sizes import ModelSizes, Resize, Size


@dataclass(frozen=True)
class FittedImage:
    """A picture at a wanted size, and which part of it that is.

    Attributes:
        image: RGB, of that size.
        width, height: of the whole picture after it was turned upright, in pixels.
        crop: the part that was kept, in pixels of the upright picture: left, top, right, bottom.
            Edges may be on half pixels.
        place: the part of `image` that shows it, in whole pixels: left, top, right, bottom. What
            surrounds it are repetitions of its edges.
    """

    image: Image.Image
    width: int
    height: int
    crop: tuple[float, float, float, float]
    place: tuple[int, int, int, int]


def box_of(picture: Size, sizes: ModelSizes, resize: Resize) -> Size:
    """The size at which a picture is edited: the bucket of the nearest aspect, or for `crop` the
    model's own size."""
    return sizes.own if resize == "crop" else sizes.bucket_of(picture)


def fit_image(image: Image.Image, size: Size, resize: Resize) -> FittedImage:
    """An upright picture, resized with a Lanczos filter to `size`.

    Args:
        resize: `fit` and `crop` scale it until it covers that size, and cut off at both ends what
            is left over; `pad` scales it until it fits in, and repeats its edges around it;
            `stretch` scales width and height each by itself. (They differ in what `size` is: see
            `box_of`.)
    """
    crop, place = part_and_place(Size(*image.size), size, resize)
    left, top, right, bottom = place
    part = image.resize((right - left, bottom - top), Image.Resampling.LANCZOS, box=crop)
    fitted = part
    if resize == "pad":
        around = ((top, size.height - bottom), (left, size.width - right), (0, 0))
        fitted = Image.fromarray(np.pad(np.asarray(part), around, mode="edge"))
    return FittedImage(fitted, image.width, image.height, crop, place)


def part_and_place(
    picture: Size, size: Size, resize: Resize
) -> tuple[tuple[float, float, float, float], tuple[int, int, int, int]]:
    """Which part of a picture is kept at `size`, and where it lies there; see `FittedImage`."""
    whole = (0.0, 0.0, float(picture.width), float(picture.height))
    if resize == "pad":
        return whole, _padded_place(picture, size)
    crop = whole if resize == "stretch" else _central_part(picture, size)
    return crop, (0, 0, size.width, size.height)


def _central_part(image: Size, size: Size) -> tuple[float, float, float, float]:
    """The largest part of the aspect of `size` in the middle of an image."""
    # Whole numbers as long as possible: an image of that very aspect is kept whole.
    width: float = min(image.width, image.height * size.width / size.height)
    height: float = min(image.height, image.width * size.height / size.width)
    left, top = (image.width - width) / 2, (image.height - height) / 2
    return left, top, left + width, top + height


def _padded_place(image: Size, size: Size) -> tuple[int, int, int, int]:
    """Where an image lies in the middle of `size`, as large as it fits in."""
    scale = min(size.width / image.width, size.height / image.height)
    width = min(size.width, max(1, round(image.width * scale)))
    height = min(size.height, max(1, round(image.height * scale)))
    left, top = (size.width - width) // 2, (size.height - height) // 2
    return left, top, left + width, top + height


def put_back(edited: Image.Image, fitted: FittedImage, original: Image.Image) -> Image.Image:
    """An edit at the size of the picture that it was made from.

    What padded the picture is cut away. Where only a part of it was edited, the edit lies in its
    place, and around it is the picture as it was.

    Args:
        edited: of the size of `fitted.image`.
        original: the whole upright picture.
    """
    left, top, right, bottom = fitted.crop
    # Edges may be on half pixels: the width is rounded, not each edge, or it may come out as 0.
    size = max(1, math.floor(right - left + 0.5)), max(1, math.floor(bottom - top + 0.5))
    part = edited.resize(size, Image.Resampling.LANCZOS, box=fitted.place)
    if part.size == original.size:
        return part
    whole = original.copy()
    whole.paste(part, (math.floor(left), math.floor(top)))
    return whole
