"""Pictures as a person sees them: upright 8-bit sRGB without transparency, from any image.

Pillow's `convert("RGB")` alone cuts 16-bit values off at 255, drops transparency, and ignores
colour profiles.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from PIL import Image, ImageCms, ImageOps

if TYPE_CHECKING:
    from torch import Tensor

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")
"""What is decoded. Pillow knows more, some of which start other programs."""

WHITE = (255, 255, 255)

WIDTH, HEIGHT, BITS_PER_SAMPLE, PHOTOMETRIC, SAMPLE_FORMAT = 256, 257, 258, 262, 339
WHITE_IS_ZERO, SIGNED = 0, 2
"""TIFF tags and values (TIFF 6.0, sections 4, 8 and 19)."""

ORIENTATION, QUARTER_TURNS = 0x0112, (5, 6, 7, 8)
"""The EXIF tag, and the values that exchange width and height."""

SIGNATURES = {
    b"\x89PNG": "PNG",
    b"\xff\xd8\xff": "JPEG",
    b"GIF8": "GIF",
    b"BM": "BMP",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"II+\0": "TIFF",
    b"MM\0+": "TIFF",
}
"""How files of these formats begin."""

SPACES = {"L": "GRAY", "RGB": "RGB", "CMYK": "CMYK", "LAB": "Lab"}
"""The colour space that an ICC profile for an image of each mode names (ICC.1:2022, table 19)."""

SRGB_GAMMA = 0.45455
"""What a PNG names the gamma of sRGB (PNG third edition, section 11.3.2.2)."""

# Sizes are limited by `max_pixels`, and images are opened on threads, where no filter of warnings
# is safe. Metadata that Pillow warns of are not needed.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")


class UnreadableImageError(ValueError):
    """An image that cannot be decoded, or whose pixels have no clear meaning as colours; says
    why."""


def decode(data: bytes, max_pixels: int | None = None) -> Image.Image:
    """An encoded image as a person sees it (see `to_srgb`). Of an animation, the first frame.

    Args:
        max_pixels: pixels at most, read from the header before anything is decoded.

    Raises:
        UnreadableImageError: empty, truncated, none of `FORMATS`, too large, or see `to_srgb`.
    """
    if not data:
        raise UnreadableImageError("is empty: 0 bytes")
    with _open(io.BytesIO(data), max_pixels) as image:
        return to_srgb(image)


def upright_size(file: BinaryIO, max_pixels: int | None = None) -> tuple[int, int]:
    """Width and height of an encoded image after it is turned upright, from its header alone.

    Args:
        file: opened to read bytes; at its beginning.

    Raises:
        UnreadableImageError: as `decode`, but for what only decoding the pixels can find.
    """
    with _open(file, max_pixels) as image:
        try:
            orientation = image.getexif().get(ORIENTATION, 1)
        except Exception as error:
            raise UnreadableImageError(f"cannot be decoded: {error}") from None
        if profile := image.info.get("icc_profile"):
            _open_profile(profile)
        tags = getattr(image, "tag_v2", {})
        # Newer releases of Pillow exchange the sides of a TIFF themselves, when it is opened.
        width, height = tags.get(WIDTH, image.width), tags.get(HEIGHT, image.height)
        return (height, width) if orientation in QUARTER_TURNS else (width, height)


def to_srgb(image: Image.Image) -> Image.Image:
    """An image as a person sees it: RGB, 8 bits, in sRGB.

    It is turned upright by its EXIF orientation; 16-bit and float values are scaled; its ICC
    profile, or the gamma that a PNG names, is converted to sRGB; what is transparent shows a white
    ground. An ICC profile of another colour space than the image's is ignored, as browsers do.

    Raises:
        UnreadableImageError: truncated, pixels whose white is unknown, or a damaged colour profile.
    """
    try:
        image.load()
        about = image.info
        upright = ImageOps.exif_transpose(image)
        colours, alpha = _split_alpha(_to_8_bit(upright, getattr(image, "tag_v2", {})))
        # In a PNG a profile counts more than the name sRGB, and that more than a gamma (PNG third
        # edition, section 4.3).
        if about.get("icc_profile"):
            rgb = _convert_profile(colours, about["icc_profile"])
        elif "gamma" in about and "srgb" not in about:
            rgb = _convert_gamma(colours.convert("RGB"), about["gamma"])
        else:
            rgb = colours.convert("RGB")
        if alpha is None:
            return rgb
        ground = Image.new("RGB", rgb.size, WHITE)
        ground.paste(rgb, mask=alpha)
        return ground
    except UnreadableImageError:
        raise
    except Exception as error:  # decoders raise nearly anything on broken input
        raise UnreadableImageError(f"cannot be decoded: {error or type(error).__name__}") from None


def _open(file: BinaryIO, max_pixels: int | None) -> Image.Image:
    """The image with its header read and its size checked."""
    try:
        image = Image.open(file, formats=FORMATS)
    except Image.DecompressionBombError:
        raise UnreadableImageError("has far too many pixels") from None
    except Image.UnidentifiedImageError:
        raise UnreadableImageError(f"cannot be decoded: {_unidentified(file)}") from None
    except Exception as error:  # decoders raise nearly anything on broken input
        raise UnreadableImageError(f"cannot be decoded: {error}") from None
    if max_pixels is not None and image.width * image.height > max_pixels:
        raise UnreadableImageError(f"has {image.width} x {image.height} pixels")
    sample_format = getattr(image, "tag_v2", {}).get(SAMPLE_FORMAT, 1)
    if SIGNED in (sample_format if isinstance(sample_format, tuple) else (sample_format,)):
        raise UnreadableImageError(
            "has signed pixels, of which white is unknown; save it with unsigned ones"
        )
    return image


def _unidentified(file: BinaryIO) -> str:
    """What is wrong with a file that Pillow takes for none of the formats."""
    file.seek(0)
    start = file.read(4)
    for signature, name in SIGNATURES.items():
        if start.startswith(signature):
            return f"it is a {name} file that is damaged, or of a kind that is not read"
    return f"its format is not one of {', '.join(FORMATS)}; save it as one of them"


def _to_8_bit(image: Image.Image, tags: Mapping[int, Any]) -> Image.Image:
    """The image with 8 bits a channel: grey of 16 bits or of floats scaled so that white stays
    white.

    Args:
        tags: of a TIFF, else empty.
    """
    if image.mode not in ("F", "I") and not image.mode.startswith("I;16"):
        return image
    values = np.asarray(image).astype(np.float64)
    if image.mode == "F":
        white = 1.0
        if not np.isfinite(values).all():
            raise UnreadableImageError("has float pixels that are not finite")
    else:
        bits = tags.get(BITS_PER_SAMPLE, 16)
        bits = bits[0] if isinstance(bits, tuple) else bits
        white = 2.0**bits - 1
    # What the greatest value means is not written in such a file: of these only one reading is
    # customary.
    if white > 65535 or values.min() < 0 or values.max() > white:
        span = f"{values.min():g} to {values.max():g}"
        raise UnreadableImageError(
            f"has pixels from {span}, of which white is unknown; "
            "scale them to 0..1 (float) or to 8 or 16 bits"
        )
    scaled = values / white
    if tags.get(PHOTOMETRIC) == WHITE_IS_ZERO:
        scaled = 1 - scaled
    grey = Image.fromarray((255 * scaled).round().astype(np.uint8))
    # A PNG names one grey that is transparent.
    transparent = image.info.get("transparency")
    if isinstance(transparent, int):
        grey.putalpha(Image.fromarray(np.where(values == transparent, 0, 255).astype(np.uint8)))
    return grey


def _split_alpha(image: Image.Image) -> tuple[Image.Image, Image.Image | None]:
    """The colours of an image without alpha, and its alpha (mode L), if it has any."""
    if image.mode == "La":
        image = image.convert("LA")
    elif image.mode == "RGBa":
        image = image.convert("RGBA")
    if image.mode == "LA":
        grey, alpha = image.split()
        return grey, alpha
    if image.mode == "PA" or image.has_transparency_data:
        image = image.convert("RGBA")
    if image.mode == "RGBA":
        *channels, alpha = image.split()
        return Image.merge("RGB", channels), alpha
    if image.mode in ("L", "RGB", "CMYK", "LAB", "YCbCr"):
        return image, None
    return image.convert("L" if image.mode == "1" else "RGB"), None


def _convert_profile(image: Image.Image, profile: bytes) -> Image.Image:
    """The image in sRGB, by the ICC profile that came with it.

    A profile of another colour space says nothing about these pixels: the image is taken for sRGB.

    Raises:
        UnreadableImageError: a damaged profile.
    """
    source = _open_profile(profile)
    space = source.profile.xcolor_space.strip()
    if image.mode == "YCbCr" or (image.mode == "L" and space == "RGB"):
        image = image.convert("RGB")
    if space != SPACES[image.mode]:
        return image.convert("RGB")
    srgb = ImageCms.createProfile("sRGB")
    try:
        converted = ImageCms.profileToProfile(image, source, srgb, outputMode="RGB")
    except (ImageCms.PyCMSError, ValueError) as error:
        raise _bad_profile(error) from None
    assert converted is not None
    return converted


def _open_profile(profile: bytes) -> ImageCms.ImageCmsProfile:
    try:
        return ImageCms.ImageCmsProfile(io.BytesIO(profile))
    except (OSError, ValueError) as error:
        raise _bad_profile(error) from None


def _bad_profile(error: Exception) -> UnreadableImageError:
    return UnreadableImageError(
        f"has a colour profile that cannot be used ({error}); "
        "remove the profile, or save the image as sRGB"
    )


def _convert_gamma(image: Image.Image, gamma: float) -> Image.Image:
    """An RGB image in sRGB, by the gamma of its file: light is value^(1/gamma).

    The transfer function is that of sRGB (IEC 61966-2-1).
    """
    if gamma <= 0 or abs(gamma - SRGB_GAMMA) < 0.005:
        return image
    light = (np.arange(256) / 255) ** (1 / gamma)
    encoded = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    table = (255 * encoded).round().astype(np.uint8).tolist()
    return image.point(table * 3)


def to_tensor(image: Image.Image) -> Tensor:
    """An RGB image as a float tensor (3, height, width) in [0, 1]."""
    import torch

    return torch.from_numpy(np.array(image)).permute(2, 0, 1).float().div_(255)
