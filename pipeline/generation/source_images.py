"""Source images: their encoded bytes, from wherever a manifest says, and the picture in them.

Manifests are not trusted: what is opened, and how much of it, has limits
(`pipeline.config.Images`).
"""

from __future__ import annotations

import os
import re
import stat
import unicodedata
from urllib.parse import unquote

from PIL import Image

from muse.fitting import FittedImage, box_of, fit_image
from muse.images import UnreadableImageError, decode
from muse.masks import MaskError, fit_mask
from muse.sizes import ModelSizes, Resize, Size
from pipeline.config_tables import Images
from pipeline.errors import ImageError, RunStopped
from pipeline.generation.fetch import fetch
from pipeline.storage.addresses import normalized, public
from pipeline.storage.attempts import STORE_TIMEOUT_S
from pipeline.storage.remote import ATOMIC_PROTOCOLS, Remote

DEFAULTS = Images()

MAX_SHOWN_NAME = 200
"""Characters of a name that a message shows uncut."""

FILE_URL = re.compile(r"file:(?://([^/]*))?(?=/)", re.IGNORECASE)
"""The beginning of a file URL, up to its path; the group is its host (RFC 8089)."""


def open_source(
    source: str | bytes, base: str, side: int, limits: Images = DEFAULTS
) -> FittedImage:
    """The central square of a source image, `side` pixels across; see `read_source` and
    `open_image`."""
    size = Size(side, side)
    return open_image(read_source(source, base, limits), ModelSizes(size, 1), size, "crop", limits)


def read_source(
    source: str | bytes,
    base: str,
    limits: Images = DEFAULTS,
    store_timeout_s: float = STORE_TIMEOUT_S,
) -> bytes:
    """The encoded bytes of a source image.

    Args:
        source: a path (relative to `base`), a URL, or these bytes.
        base: the folder or URL of the manifest.
        store_timeout_s: seconds for which one call to an object store is tried again.

    Raises:
        RunStopped: an object store that does not answer, or refuses access.
        ImageError: missing, empty, unreadable, or beyond `limits`.
    """
    data = source if isinstance(source, bytes) else _read(source, base, limits, store_timeout_s)
    if not data:
        raise ImageError("image is empty: 0 bytes")
    if len(data) > limits.max_bytes:
        raise ImageError(f"image has more than {limits.max_bytes} bytes (images.max_bytes)")
    return data


def open_image(
    data: bytes,
    sizes: ModelSizes,
    size: Size | None = None,
    resize: Resize = "fit",
    limits: Images = DEFAULTS,
) -> FittedImage:
    """An encoded image as a person sees it (see `muse.images`), at a size that the model makes.

    Args:
        size: that size; None for what `resize` gives the image (see `muse.fitting.box_of`).

    Raises:
        ImageError: truncated, not an image, pixels that cannot be read as colours, or beyond
            `limits`.
    """
    try:
        upright = decode(data, limits.max_pixels)
        box = size or box_of(Size(*upright.size), sizes, resize)
        return fit_image(upright, box, resize)
    except UnreadableImageError as error:
        raise ImageError(described(error, limits)) from None


def open_mask(data: bytes, picture: FittedImage, limits: Images = DEFAULTS) -> Image.Image:
    """The mask in encoded bytes, in black and white over a picture (see `muse.masks.fit_mask`).

    Raises:
        ImageError: it cannot be read as an image, or does not fit the picture.
    """
    try:
        return fit_mask(decode(data, limits.max_pixels), picture)
    except UnreadableImageError as error:
        raise ImageError(described(error, limits)) from None
    except MaskError as error:
        raise ImageError(f"image {error}") from None


def described(error: UnreadableImageError, limits: Images) -> str:
    """The message for an image that cannot be used, with the setting that limits it."""
    reason = f"image {error}"
    if reason.endswith(" pixels"):
        reason += f"; at most {limits.max_pixels} are read (images.max_pixels)"
    return reason


def local_path(source: str, base: str) -> str | None:
    """The local path that a source image is read from; None if it is elsewhere.

    Raises:
        ImageError: a file URL of another host.
    """
    if base and not _is_absolute(source):
        folder = local_path(base, "")
        return None if folder is None else _as_on_disk(f"{folder.rstrip('/')}/", source)
    match = FILE_URL.match(source)
    if match is None:
        return None if "://" in source else _as_on_disk("", source)
    if (match[1] or "").lower() not in ("", "localhost"):
        raise ImageError("is on another host; give a path or another URL")
    encoded = source[match.end() :]
    decoded = unquote(encoded)
    # Many programs write file URLs without encoding them.
    if not os.path.exists(decoded) and os.path.exists(encoded):
        return encoded
    return _as_on_disk("", decoded)


def _as_on_disk(folder: str, name: str) -> str:
    """The path of a file, in the form of Unicode in which the disk has its name.

    A name with accents that was copied between systems may be composed in the manifest and
    decomposed on disk, or the other way round; both look the same.
    """
    forms = (name, *(unicodedata.normalize(form, name) for form in ("NFC", "NFD")))
    paths = (folder + form for form in forms)
    return next((path for path in paths if os.path.exists(path)), folder + name)


def check_scheme(source: str, base: str, limits: Images) -> str:
    """The scheme by which a source image is read, in lower case; `file` for paths.

    Raises:
        ImageError: the config does not allow it.
    """
    url = source if _is_absolute(source) or not base else base
    scheme = "file"
    if "://" in url and not FILE_URL.match(url):
        scheme = url.partition("://")[0].lower()
    if scheme not in limits.schemes:
        allowed = ", ".join(limits.schemes) or "none"
        refused = f"images.schemes does not allow {scheme[:20]!r} (allowed: {allowed})"
        raise ImageError(f"image {shown(source)}: {refused}")
    return scheme


def shown(source: str) -> str:
    """A path or URL as a message quotes it: without secrets, and cut."""
    return repr(
        public(source if len(source) <= MAX_SHOWN_NAME else f"{source[:MAX_SHOWN_NAME]}...")
    )


def missing(source: str, base: str) -> str:
    """The message for a file that does not exist."""
    if _is_absolute(source):
        return f"image {shown(source)} does not exist"
    folder = base or os.getcwd()
    return (
        f"image {shown(source)} does not exist in {public(folder)}; "
        "relative paths refer to the folder of the manifest"
    )


def changed(source: str, before: str, now: str) -> str:
    """The message for an image that is not the one that the run has read before.

    Args:
        before, now: SHA-256 of either, as hex.
    """
    return (
        f"image {shown(source)} was changed after this run had read it: its SHA-256 was "
        f"'{before[:12]}...' and is '{now[:12]}...'; put the image back and retry the request, or "
        "make another corpus with another --output"
    )


def _is_absolute(source: str) -> bool:
    return "://" in source or os.path.isabs(source) or FILE_URL.match(source) is not None


def _read(source: str, base: str, limits: Images, store_timeout_s: float) -> bytes:
    """The bytes of a path or a URL, at most one more than `limits.max_bytes`."""
    scheme = check_scheme(source, base, limits)
    url = source if _is_absolute(source) or not base else f"{base.rstrip('/')}/{source}"
    try:
        if (path := local_path(source, base)) is not None:
            return read_regular_file(path, limits.max_bytes + 1)
        if scheme in ("http", "https"):
            return fetch(url, limits)
        if scheme in ATOMIC_PROTOCOLS:
            return Remote(normalized(url), store_timeout_s).read_bytes(limits.max_bytes + 1)
        import fsspec

        with fsspec.open(url, "rb") as handle:
            return handle.read(limits.max_bytes + 1)
    except FileNotFoundError:
        raise ImageError(missing(source, base)) from None
    except ImageError as error:
        raise ImageError(f"image {shown(source)}: {error}") from None
    except RunStopped:
        raise
    except Exception as error:  # each store has errors of its own
        reason = getattr(error, "strerror", None) or str(error)
        raise ImageError(f"image {shown(source)} cannot be read: {public(reason)}") from None


def read_regular_file(path: str, max_bytes: int) -> bytes:
    """The first `max_bytes` bytes of a local file.

    Raises:
        ImageError: a folder, a pipe or a device.
        OSError: it cannot be read.
    """
    # Reading a pipe or a device might never end. Opened without waiting, then checked.
    with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as handle:
        if not stat.S_ISREG(os.fstat(handle.fileno()).st_mode):
            raise ImageError("is not a regular file")
        return handle.read(max_bytes)
