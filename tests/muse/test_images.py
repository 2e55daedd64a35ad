"""Pictures as a person sees them: depth, transparency, colour profiles, orientation, and what is
refused."""

import io
import itertools
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms

from muse.images import UnreadableImageError, decode, to_srgb, upright_size


def _encoded(image: Image.Image, kind: str = "PNG", **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def _pixel(data: bytes, place=(0, 0)) -> tuple[int, ...]:
    image = decode(data)
    assert image.mode == "RGB"
    return image.getpixel(place)


def _profile(exchange: tuple[str, str] = ("rXYZ", "bXYZ")) -> bytes:
    """An sRGB profile with two of its primaries exchanged."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    count = int.from_bytes(profile[128:132], "big")
    places = {bytes(profile[132 + 12 * i : 136 + 12 * i]): 132 + 12 * i for i in range(count)}
    one, other = (places[name.encode()] for name in exchange)
    values = [bytes(profile[place + 4 : place + 12]) for place in (one, other)]
    profile[one + 4 : one + 12], profile[other + 4 : other + 12] = reversed(values)
    return bytes(profile)


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_16_bit_grey_is_scaled(kind):
    ramp = np.linspace(0, 65535, 256).astype(np.uint16)[None].repeat(4, 0)
    found = np.asarray(decode(_encoded(Image.fromarray(ramp), kind)))[0, :, 0].astype(int)
    assert abs(found - np.arange(256)).max() <= 1


def test_float_grey_from_0_to_1_is_scaled_and_other_ranges_are_refused():
    ramp = np.linspace(0, 1, 256, dtype=np.float32)[None].repeat(4, 0)
    found = np.asarray(decode(_encoded(Image.fromarray(ramp), "TIFF")))[0, :, 0].astype(int)
    assert abs(found - np.arange(256)).max() <= 1
    for wrong in (ramp * 300, ramp - 0.5, ramp * np.float32("nan")):
        with pytest.raises(UnreadableImageError, match=r"white is unknown|not finite"):
            decode(_encoded(Image.fromarray(wrong), "TIFF"))
    with pytest.raises(UnreadableImageError, match="white is unknown"):
        decode(_encoded(Image.fromarray(np.full((4, 4), 70_000, np.int32)), "TIFF"))


def test_a_16_bit_tiff_whose_zero_is_white_is_not_shown_as_its_negative():
    image = Image.fromarray(np.zeros((4, 4), np.uint16))
    assert _pixel(_encoded(image, "TIFF", tiffinfo={262: 0})) == (255, 255, 255)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "PA", "RGBa"])
@pytest.mark.parametrize("opacity", [0, 128, 255])
def test_transparency_shows_a_white_ground(mode, opacity):
    image = Image.new("RGBA", (8, 8), (10, 10, 10, opacity))
    image = image.quantize() if mode == "P" else image.convert(mode)
    expected = round(255 + (10 - 255) * opacity / 255)
    found = to_srgb(image).getpixel((0, 0))
    assert max(abs(value - expected) for value in found) <= 8


@pytest.mark.parametrize(
    ("image", "options"),
    [
        (Image.new("L", (8, 8), 7), {"transparency": 7}),
        (Image.new("RGB", (8, 8), (1, 2, 3)), {"transparency": (1, 2, 3)}),
        (Image.fromarray(np.full((8, 8), 777, np.uint16)), {"transparency": 777}),
        (Image.new("P", (8, 8), 0), {"transparency": 0}),
    ],
)
def test_a_colour_that_a_png_names_transparent_is_white(image, options):
    assert _pixel(_encoded(image, "PNG", **options)) == (255, 255, 255)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "WEBP"])
def test_a_colour_profile_is_converted_to_srgb(kind):
    profile = _profile()
    options = {"quality": 100} if kind == "JPEG" else {"lossless": True} if kind == "WEBP" else {}
    data = _encoded(Image.new("RGB", (16, 16), (220, 40, 60)), kind, icc_profile=profile, **options)
    red, green, blue = _pixel(data)
    assert max(abs(red - 60), abs(green - 40), abs(blue - 220)) <= 4


def test_a_profile_and_transparency_together():
    image = Image.new("RGBA", (8, 8), (220, 40, 60, 255))
    image.paste((220, 40, 60, 0), (0, 0, 4, 8))
    data = _encoded(image, icc_profile=_profile())
    assert _pixel(data, (0, 0)) == (255, 255, 255)
    assert abs(_pixel(data, (7, 0))[2] - 220) <= 2


def test_an_srgb_profile_changes_nothing_and_a_grey_image_may_carry_one():
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    ramp = Image.fromarray(np.arange(256, dtype=np.uint8)[None].repeat(4, 0))
    for image in (ramp, ramp.convert("RGB")):
        found = np.asarray(decode(_encoded(image, icc_profile=profile)))[0, :, 0].astype(int)
        assert abs(found - np.arange(256)).max() <= 1


def _grey_profile() -> bytes:
    """A profile of grey whose values are linear in light."""
    curve = b"curv" + bytes(4) + struct.pack(">IH", 1, 256) + bytes(2)
    return _icc(b"mntrGRAYXYZ ", {b"kTRC": curve})


def _ink_profile() -> bytes:
    """A profile of CMYK in which cyan ink looks red, and the other inks grey."""
    lightness_and_red = []
    for inks in itertools.product((0, 1), repeat=4):
        lightness_and_red += [max(0, 255 - 80 * sum(inks)), 128 + 70 * inks[0], 128]
    ramp = bytes(range(256))
    matrix = struct.pack(">9i", *(65536 * (n % 4 == 0) for n in range(9)))
    head = b"mft1" + bytes(4) + bytes([4, 3, 2, 0]) + matrix
    return _icc(b"prtrCMYKLab ", {b"A2B0": head + ramp * 4 + bytes(lightness_and_red) + ramp * 3})


def _icc(kind: bytes, tags: dict[bytes, bytes]) -> bytes:
    """A profile of a class, colour space and connection space (ICC.1:2022, sections 7 to 10)."""
    white = struct.pack(">iii", 63190, 65536, 54061)
    tags = tags | {
        b"desc": b"desc" + bytes(4) + struct.pack(">I", 5) + b"mine" + bytes(79),
        b"wtpt": b"XYZ " + bytes(4) + white,
        b"cprt": b"text" + bytes(4) + b"none" + bytes(4),
    }
    table, body, start = b"", b"", 132 + 12 * len(tags)
    for name, data in tags.items():
        table += name + struct.pack(">II", start + len(body), len(data))
        body += data
    header = struct.pack(">I4xI", start + len(body), 0x02400000) + kind + bytes(12)
    header = (header + b"acsp").ljust(68, b"\0") + white
    return header.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + body


@pytest.mark.parametrize("mode", ["L", "LA"])
def test_a_profile_of_grey_is_converted(mode):
    """Half of the light is 188 in sRGB."""
    image = Image.new("L", (8, 8), 128).convert(mode)
    assert _pixel(_encoded(image, icc_profile=_grey_profile())) == (188, 188, 188)


@pytest.mark.parametrize("kind", ["TIFF", "JPEG"])
def test_a_profile_of_inks_is_converted(kind):
    paper, cyan = Image.new("CMYK", (16, 16)), Image.new("CMYK", (16, 16), (255, 0, 0, 0))
    assert min(_pixel(_encoded(paper, kind, icc_profile=_ink_profile()))) > 245
    red, green, blue = _pixel(_encoded(cyan, kind, icc_profile=_ink_profile()))
    assert red > 200
    assert max(green, blue) < 180


@pytest.mark.parametrize("profile", [b"no profile at all", _profile()[:200]])
def test_a_broken_profile_is_refused_by_name_before_and_when_decoding(profile):
    data = _encoded(Image.new("RGB", (8, 8)), icc_profile=profile)
    for read in (decode, lambda data: upright_size(io.BytesIO(data))):
        with pytest.raises(UnreadableImageError, match="colour profile that cannot be used"):
            read(data)


@pytest.mark.parametrize(
    ("mode", "profile"),
    [
        ("RGB", _grey_profile()),
        ("RGB", ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()),
        ("CMYK", _profile()),
    ],
)
def test_a_profile_of_another_colour_space_is_ignored(mode, profile):
    image = Image.new("RGB", (8, 8), (220, 40, 60)).convert(mode)
    plain, with_profile = (
        _pixel(_encoded(image, "TIFF", **options)) for options in ({}, {"icc_profile": profile})
    )
    assert plain == with_profile


def _png(bits: int, colours: int, row: bytes, *chunks: bytes) -> bytes:
    """A PNG of 8 x 8 pixels whose rows are all the same."""
    header = _chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, bits, colours, 0, 0, 0))
    body = _chunk(b"IDAT", zlib.compress((b"\0" + row) * 8))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(chunks) + body + _chunk(b"IEND", b"")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _gamma(gamma: float) -> bytes:
    return _chunk(b"gAMA", struct.pack(">I", round(gamma * 100_000)))


@pytest.mark.parametrize(
    ("chunks", "expected"),
    [
        # Half of the light is 188 in sRGB.
        ((_gamma(1.0),), 188),
        ((_gamma(0.45455),), 128),
        ((_gamma(1.0), _chunk(b"sRGB", b"\0")), 128),
        ((_gamma(0.0),), 128),
    ],
)
def test_the_gamma_of_a_png_counts_unless_it_names_srgb(chunks, expected):
    assert _pixel(_png(8, 2, bytes([128] * 24), *chunks)) == (expected,) * 3


@pytest.mark.parametrize(
    ("colours", "pixel", "expected"),
    [
        (2, (0x8080, 0xFFFF, 0), (128, 255, 0)),
        (6, (0x8080, 0xFFFF, 0, 0xFFFF), (128, 255, 0)),
        (6, (0x8080, 0xFFFF, 0, 0), (255, 255, 255)),
        (4, (0x8080, 0xFFFF), (128, 128, 128)),
        (4, (0x8080, 0), (255, 255, 255)),
    ],
)
def test_16_bits_of_several_channels_are_scaled(colours, pixel, expected):
    row = struct.pack(f">{len(pixel)}H", *pixel) * 8
    assert _pixel(_png(16, colours, row)) == expected


def test_a_palette_with_one_transparent_colour_shows_the_others():
    palette = _chunk(b"PLTE", bytes([255, 0, 0, 0, 255, 0])), _chunk(b"tRNS", b"\0")
    data = _png(1, 3, b"\x0f", *palette)
    assert (_pixel(data, (0, 0)), _pixel(data, (7, 0))) == ((255, 255, 255), (0, 255, 0))


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF", "MPO"])
def test_of_several_frames_the_first_is_shown(kind):
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("red", "blue")]
    red, green, blue = _pixel(_encoded(frames[0], kind, save_all=True, append_images=frames[1:]))
    assert red > 240
    assert max(green, blue) < 10


def test_a_run_length_encoded_bitmap_is_read():
    run = b"".join(b"\x08" + bytes([row]) + b"\0\0" for row in range(8)) + b"\0\1"
    palette = b"".join(bytes([20 * level] * 3) + b"\0" for level in range(8)).ljust(1024, b"\0")
    about = struct.pack("<IiiHHIIiiII", 40, 8, 8, 1, 8, 1, len(run), 0, 0, 256, 0)
    header = b"BM" + struct.pack("<IHHI", 1078 + len(run), 0, 0, 1078)
    # A bitmap begins with its lowest row.
    assert _pixel(header + about + palette + run) == (140, 140, 140)


@pytest.mark.parametrize(("kind", "dtype"), [("I;16B", ">u2"), ("I;16", "<u2")])
def test_both_orders_of_bytes_of_16_bit_grey(kind, dtype):
    image = Image.frombytes(kind, (4, 4), np.full(16, 0x8080, dtype).tobytes())
    assert to_srgb(image).getpixel((0, 0)) == (128, 128, 128)


@pytest.mark.parametrize("dtype", ["int32", "int16", "int8"])
def test_signed_pixels_are_refused(dtype):
    values = np.zeros((4, 4), "uint8" if dtype == "int8" else "uint16")
    data = _encoded(Image.fromarray(values), "TIFF", tiffinfo={339: 2})
    if dtype == "int32":
        data = _encoded(Image.fromarray(np.zeros((4, 4), np.int32)), "TIFF")
    for read in (decode, lambda data: upright_size(io.BytesIO(data))):
        with pytest.raises(UnreadableImageError, match="signed pixels"):
            read(data)


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "CMYK", "YCbCr", "LAB"])
def test_every_other_mode_becomes_rgb(mode):
    kind = "PNG" if mode in ("1", "L", "P", "RGB") else "TIFF"
    assert decode(_encoded(Image.new(mode, (16, 16)), kind)).mode == "RGB"


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF"])
def test_a_photograph_is_turned_upright_whether_encoded_or_opened(kind):
    image = Image.new("RGB", (40, 20), "blue")
    image.paste("red", (0, 0, 20, 20))
    exif = Image.Exif()
    exif[0x0112] = 6
    data = _encoded(image, kind, exif=exif)
    assert upright_size(io.BytesIO(data)) == decode(data).size == (20, 40)
    red, _, blue = decode(data).getpixel((0, 0))
    assert red > 240
    assert blue < 10
    with Image.open(io.BytesIO(data)) as opened:
        assert to_srgb(opened).tobytes() == decode(data).tobytes()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is empty"),
        (b"no image", "is not one of PNG"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "is not one of PNG.*save it as one of them"),
        (b"II*\0\x08\0\0\0\0\0", "it is a TIFF file that is damaged, or of a kind"),
        (_encoded(Image.new("RGB", (64, 64)))[:-40], "cannot be decoded"),
        (_encoded(Image.new("1", (200, 200))), "has 200 x 200 pixels"),
    ],
)
def test_what_cannot_be_used_is_refused_with_the_reason(data, message):
    with pytest.raises(UnreadableImageError, match=message):
        decode(data, max_pixels=10_000)
