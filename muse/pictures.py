"""The pictures and masks of a call of `MusePipeline`, read as a run of the command reads them."""

from __future__ import annotations

from pathlib import Path

import torch
from PIL import Image

from muse.fitting import FittedImage, box_of, fit_image
from muse.images import UnreadableImageError, decode, to_srgb
from muse.masks import MaskError, fit_mask, mask_tensor
from muse.sizes import ModelSizes, Resize, Size

Picture = Image.Image | str | Path
"""A PIL image, or the path of an image file."""


def read_picture(
    picture: Picture, sizes: ModelSizes, size: Size | None, resize: Resize
) -> FittedImage:
    """A picture as a run of the command reads it (see `muse.images` and `muse.fitting`), of a size
    that the model makes.

    Raises:
        ValueError: if there is no such file, or it is no image that can be read.
    """
    whole = upright(picture, "image")
    return fit_image(whole, size or box_of(Size(*whole.size), sizes, resize), resize)


def read_mask(mask: Picture, picture: FittedImage) -> torch.Tensor:
    """A mask over the part of a picture that is edited: bool (height, width) (see `muse.masks`).

    Raises:
        ValueError: if it cannot be read as an image, or does not fit the picture.
    """
    whole = upright(mask, "mask_image")
    try:
        return mask_tensor(fit_mask(whole, picture))
    except MaskError as error:
        raise ValueError(f"{_named(mask, 'mask_image')} {error}") from None


def upright(picture: Picture, argument: str) -> Image.Image:
    """A picture as a person sees it.

    Raises:
        ValueError: see `read_picture`; the message names the argument.
    """
    name = _named(picture, argument)
    # Pillow makes such an image without a word.
    if isinstance(picture, Image.Image) and 0 in picture.size:
        raise ValueError(
            f"{name} has no pixels: it is {picture.width} x {picture.height}; give a picture"
        )
    try:
        if isinstance(picture, Image.Image):
            return to_srgb(picture)
        return decode(Path(picture).expanduser().read_bytes())
    except OSError as error:
        raise ValueError(f"{name} cannot be read: {error.strerror or error}") from None
    except UnreadableImageError as error:
        raise ValueError(f"{name} {error}") from None


def _named(picture: Picture, argument: str) -> str:
    return argument if isinstance(picture, Image.Image) else f"{argument} {str(picture)!r}"
