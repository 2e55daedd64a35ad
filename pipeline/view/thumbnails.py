"""Small pictures for pages."""

from __future__ import annotations

import base64
import io
from collections import OrderedDict

from PIL import Image, ImageChops, ImageFilter, ImageOps

from muse.images import decode
from muse.masks import whole_mask

QUALITY = 82
"""Of the WebP encoder, 0 to 100."""

LINES = 300
"""Widths of a line of an outline in the longer edge of a picture."""


class Thumbnails:
    """Thumbnails in memory by position and side: those that were wanted last.

    Args:
        most: bytes that all of them may have.
    """

    def __init__(self, most: int):
        self.most, self.size = most, 0
        self.kept: OrderedDict[tuple[int, int], bytes] = OrderedDict()

    def get(self, key: tuple[int, int]) -> bytes | None:
        """The one that is kept; None if there is none."""
        if key in self.kept:
            self.kept.move_to_end(key)
        return self.kept.get(key)

    def keep(self, key: tuple[int, int], webp: bytes) -> None:
        """Keep one, and drop those that were not wanted for the longest."""
        self.size += len(webp) - len(self.kept.pop(key, b""))
        self.kept[key] = webp
        while self.size > self.most:
            _, oldest = self.kept.popitem(last=False)
            self.size -= len(oldest)


def thumbnail(image: Image.Image, side: int) -> bytes:
    """A picture as WebP, scaled down so that neither edge is longer than `side` pixels."""
    small = image.convert("RGB")
    small.thumbnail((side, side), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    small.save(buffer, "WEBP", quality=QUALITY, method=2)
    return buffer.getvalue()


def source_thumbnail(image: Image.Image, mask: Image.Image | None, side: int) -> bytes:
    """The same of a source image, with the outline of its mask.

    Args:
        mask: over the image, black and white; None without one.
    """
    if mask is None:
        return thumbnail(image, side)
    small = image.convert("RGB")
    small.thumbnail((side, side), Image.Resampling.LANCZOS)
    return thumbnail(outlined(small, mask), side)


def outlined(image: Image.Image, mask: Image.Image) -> Image.Image:
    """An RGB image with a line around the white of a mask, just inside of it and closed along the
    edges of the image: white, and black within, so that it is seen on any image."""
    width = max(1, max(image.size) // LINES)
    # What is beyond the image counts as black.
    white = ImageOps.expand(whole_mask(mask, image.size), border=1)
    drawn = image.copy()
    for colour in ("white", "black"):
        inner = white
        for _ in range(width):
            inner = inner.filter(ImageFilter.MinFilter(3))
        line = ImageChops.subtract(white, inner)
        drawn.paste(colour, mask=ImageOps.crop(line, 1))
        white = inner
    return drawn


def thumbnail_of(encoded: bytes, side: int) -> bytes:
    """The same of an encoded picture.

    Raises:
        UnreadableImageError: it cannot be decoded.
    """
    return thumbnail(decode(encoded), side)


def data_url(webp: bytes) -> str:
    """A WebP picture as the address of itself."""
    return f"data:image/webp;base64,{base64.b64encode(webp).decode()}"
