"""Source images in, finished images out. Sources are named by manifests, which are not trusted."""

from __future__ import annotations

import io
import os
import stat
import warnings
from typing import TYPE_CHECKING

from PIL import Image, ImageOps

from pipeline.config import Images
from pipeline.errors import ImageError, RunStopped
from pipeline.generation.fetch import fetch
from pipeline.storage.remote import ATOMIC_PROTOCOLS, STORE_TIMEOUT_S, Remote, public

if TYPE_CHECKING:
    from torch import Tensor

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")
"""What is decoded. Pillow knows more, some of which start other programs."""

DEFAULTS = Images()

# `images.pixels` is the limit here, and images are opened on threads, where no filter of warnings is safe.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)


def open_source(
    source: str | bytes, base: str, side: int, limits: Images = DEFAULTS
) -> Image.Image:
    """A source image, read (see `read_source`) and opened (see `open_image`)."""
    return open_image(read_source(source, base, limits), side, limits)


def read_source(
    source: str | bytes,
    base: str,
    limits: Images = DEFAULTS,
    store_timeout_s: float = STORE_TIMEOUT_S,
) -> bytes:
    """The encoded bytes of a source image.

    Args:
        source: a path (relative to `base`), a URL, or these bytes.
        store_timeout_s: seconds for which one call to an object store is tried again.

    Raises:
        RunStopped: it lies on an object store that does not answer, or lets nobody in.
        ImageError: missing, unreadable, or beyond `limits`.
    """
    data = source if isinstance(source, bytes) else _read(source, base, limits, store_timeout_s)
    if len(data) > limits.bytes:
        raise ImageError(f"image has more than {limits.bytes} bytes (images.bytes)")
    return data


def open_image(data: bytes, side: int, limits: Images = DEFAULTS) -> Image.Image:
    """An encoded image as RGB of `side` x `side`: turned upright, cut to its central square, resized.

    Raises:
        ImageError: truncated, not an image, or beyond `limits`.
    """
    many = f"at most {limits.pixels} are read (images.pixels)"
    try:
        file = Image.open(io.BytesIO(data), formats=FORMATS)
        if file.width * file.height > limits.pixels:
            raise ImageError(f"image has {file.width} x {file.height} pixels; {many}")
        image = ImageOps.exif_transpose(file).convert("RGB")
    except ImageError:
        raise
    except Image.DecompressionBombError:
        raise ImageError(f"image has far too many pixels; {many}") from None
    except Image.UnidentifiedImageError:
        raise ImageError(f"image cannot be decoded: it is none of {', '.join(FORMATS)}") from None
    except Exception as error:  # decoders raise nearly anything on broken input
        raise ImageError(f"image cannot be decoded: {error}") from None
    return ImageOps.fit(image, (side, side), Image.Resampling.LANCZOS)


def _read(source: str, base: str, limits: Images, store_timeout_s: float) -> bytes:
    """The bytes of a path or a URL, one more than `limits.bytes` at most."""
    shown = repr(public(source if len(source) <= 200 else f"{source[:200]}..."))
    path = (
        source
        if "://" in source or os.path.isabs(source)
        else f"{base.rstrip('/')}/{source}"
        if base
        else source
    )
    scheme = path.partition("://")[0].lower() if "://" in path else "file"
    if scheme not in limits.schemes:
        allowed = ", ".join(limits.schemes) or "none"
        raise ImageError(
            f"image {shown}: {scheme[:20]!r} is no scheme that images.schemes allows ({allowed})"
        )
    try:
        if scheme in ("http", "https"):
            return fetch(path, limits)
        if scheme in ATOMIC_PROTOCOLS:
            return Remote(path, store_timeout_s).read_bytes(limits.bytes + 1)
        if scheme != "file":
            import fsspec

            with fsspec.open(path, "rb") as handle:
                return handle.read(limits.bytes + 1)
        return _read_file(path.removeprefix("file://"), limits)
    except FileNotFoundError:
        raise ImageError(f"image {shown} does not exist") from None
    except ImageError as error:
        raise ImageError(f"image {shown}: {error}") from None
    except RunStopped:
        raise
    except Exception as error:  # each store has errors of its own
        raise ImageError(f"image {shown} cannot be read: {public(str(error))}") from None


def _read_file(path: str, limits: Images) -> bytes:
    # A pipe or a device would be waited for, or read, for ever; opened without waiting, then looked at.
    with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as handle:
        if not stat.S_ISREG(os.fstat(handle.fileno()).st_mode):
            raise ImageError("is not a regular file")
        return handle.read(limits.bytes + 1)


def looks(image: Image.Image) -> str:
    """A hash of what an image looks like, 64 bits in hex: whether each cell of 8 x 8 is brighter than its left one."""
    small = image.convert("L").resize((9, 8), Image.Resampling.BOX)
    cells = small.tobytes()
    bits = (cells[9 * y + x + 1] > cells[9 * y + x] for y in range(8) for x in range(8))
    return f"{sum(bit << place for place, bit in enumerate(bits)):016x}"


def to_tensor(image: Image.Image) -> Tensor:
    """Float (3, h, w) in [0, 1]."""
    import numpy as np
    import torch

    return torch.from_numpy(np.array(image)).permute(2, 0, 1).float().div_(255)


def encode_image(image: Image.Image, image_format: str) -> bytes:
    """The bytes of a finished image; the same image gives the same bytes."""
    buffer = io.BytesIO()
    if image_format == "png":
        # Level 1 is five times faster than the default for a few per cent more bytes.
        image.save(buffer, "PNG", compress_level=1)
    elif image_format == "webp":
        image.save(buffer, "WEBP", lossless=True, method=0)
    else:
        image.save(buffer, "JPEG", quality=95)
    return buffer.getvalue()
