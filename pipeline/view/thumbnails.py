"""Small pictures for pages."""

from __future__ import annotations

import base64
import io

from PIL import Image

from muse.images import decode

QUALITY = 82
"""Of the WebP encoder, 0 to 100."""


def thumbnail(image: Image.Image, side: int) -> bytes:
    """A picture as WebP, scaled down so that neither edge is longer than `side` pixels."""
    small = image.convert("RGB")
    small.thumbnail((side, side), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    small.save(buffer, "WEBP", quality=QUALITY, method=2)
    return buffer.getvalue()


def thumbnail_of(encoded: bytes, side: int) -> bytes:
    """The same of an encoded picture.

    Raises:
        UnreadableImageError: it cannot be decoded.
    """
    return thumbnail(decode(encoded), side)


def data_url(webp: bytes) -> str:
    """A WebP picture as the address of itself."""
    return f"data:image/webp;base64,{base64.b64encode(webp).decode()}"
