"""Masks of edits: where a picture may change. They follow the picture that they belong to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from muse.fitting import FittedImage, put_back
from muse.sizes import Size

if TYPE_CHECKING:
    from torch import Tensor

MIDDLE = 128
"""The grey from which on a pixel counts as white, of 255."""


class MaskError(ValueError):
    """A mask that does not belong to its picture, or lets nothing change; says why."""


def shape_problem(mask: Size, picture: Size) -> str | None:
    """Why a mask cannot be laid over a picture; None if it can.

    It may be larger or smaller, but of the same shape, up to the rounding of a size by a pixel.
    """
    if _are_alike(mask, picture):
        return None
    fact = (
        f"has {mask.width} x {mask.height} pixels, another shape than its image, which has "
        f"{picture.width} x {picture.height}"
    )
    # A program that ignores how the camera was held shows the photograph on its side.
    if _are_alike(Size(mask.height, mask.width), picture):
        return (
            f"{fact} when it is upright; turn the mask as the image is to be seen, since that is "
            "turned by its EXIF orientation if it has one"
        )
    return f"{fact}; save it in the size of the image"


def _are_alike(one: Size, other: Size) -> bool:
    """Whether two sizes are of one shape, up to the rounding of a side by a pixel."""
    difference = abs(one.width * other.height - one.height * other.width)
    return difference <= max(one.width, one.height, other.width, other.height)


def has_white(mask: Image.Image) -> bool:
    """Whether any pixel of a mask is nearer to white than to black."""
    return bool(np.asarray(mask.convert("L")).max() >= MIDDLE)


def fit_mask(mask: Image.Image, picture: FittedImage) -> Image.Image:
    """A mask, in black (0) and white (255), over the part of a picture that is edited.

    Args:
        mask: upright, of any size of the picture's shape; white from the middle grey on.

    Raises:
        MaskError: another shape, or no white in the part that is edited.
    """
    if problem := shape_problem(Size(*mask.size), Size(picture.width, picture.height)):
        raise MaskError(problem)
    scales = (mask.width / picture.width, mask.height / picture.height) * 2
    left, top, right, bottom = (
        edge * scale for edge, scale in zip(picture.crop, scales, strict=True)
    )
    across, up, to, down = picture.place
    part = mask.convert("L").resize(
        (to - across, down - up), Image.Resampling.BILINEAR, box=(left, top, right, bottom)
    )
    # What pads a picture stays.
    fitted = Image.new("L", picture.image.size)
    fitted.paste(part, (across, up))
    is_white = np.asarray(fitted) >= MIDDLE
    if not is_white.any():
        raise MaskError("has no white in the part that is edited; paint white what may change")
    return Image.fromarray(np.where(is_white, 255, 0).astype(np.uint8))


def whole_mask(mask: Image.Image, size: tuple[int, int]) -> Image.Image:
    """A mask, in black (0) and white (255), over a whole picture of this width and height."""
    grey = mask.convert("L").resize(size, Image.Resampling.BILINEAR)
    return grey.point(lambda value: 255 if value >= MIDDLE else 0)


def put_back_edit(
    edited: Image.Image, picture: FittedImage, original: Image.Image, mask: Image.Image | None
) -> Image.Image:
    """An edit at the size of its picture (see `muse.fitting.put_back`), which outside of a mask is
    as it was.

    Args:
        original: the whole upright picture.
        mask: upright, over that; None for all of it.
    """
    restored = put_back(edited, picture, original)
    if mask is None:
        return restored
    # Resizing has touched what is outside of the mask.
    return Image.composite(restored, original, whole_mask(mask, original.size))


def share_of(mask: Image.Image) -> float:
    """The share of a fitted mask that is white, in [0, 1]."""
    return float(np.mean(np.asarray(mask) == 255))


def mask_tensor(mask: Image.Image) -> Tensor:
    """A fitted mask as a bool tensor (height, width), true where the picture may change."""
    import torch

    return torch.from_numpy(np.array(mask) == 255)
