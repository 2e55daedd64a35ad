import io

import pytest
from PIL import Image

from pipeline.generation.source_images import (
    ImageError,
    encode_image,
    looks,
    open_source,
    to_tensor,
)


def _bytes(image: Image.Image, kind: str = "PNG", **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def _stripes(width, height):
    image = Image.new("RGB", (width, height), "blue")
    image.paste("red", (0, 0, width, height // 2))
    return image


def test_a_path_a_url_and_bytes_are_the_same_image(tmp_path):
    data = _bytes(_stripes(80, 80))
    (tmp_path / "a.png").write_bytes(data)
    images = [
        open_source(source, str(tmp_path), 64).tobytes()
        for source in ("a.png", str(tmp_path / "a.png"), f"file://{tmp_path}/a.png", data)
    ]
    assert len(set(images)) == 1


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "CMYK", "1", "I;16"])
def test_every_mode_becomes_rgb(mode):
    kind = "TIFF" if mode in ("CMYK", "I;16") else "PNG"
    image = Image.new(mode, (32, 32))
    assert open_source(_bytes(image, kind), "", 64).mode == "RGB"


def test_a_wide_image_keeps_its_centre():
    wide = Image.new("RGB", (300, 100), "black")
    wide.paste("white", (100, 0, 200, 100))
    assert to_tensor(open_source(_bytes(wide), "", 64)).min() > 0.9


def test_a_photograph_is_turned_upright():
    exif = Image.Exif()
    exif[0x0112] = 3  # taken upside down
    turned = to_tensor(open_source(_bytes(_stripes(64, 64), exif=exif), "", 64))
    assert turned[0, :20].max() < 0.1
    assert turned[0, -20:].min() > 0.9


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("nowhere.png", "does not exist"),
        (b"this is no image", "cannot be decoded"),
        (_bytes(_stripes(64, 64))[:100], "cannot be decoded"),
        ("gopher://host/x.png", "no scheme that images.schemes allows"),
        (_bytes(Image.new("1", (9000, 9000))), "at most 64000000 are read"),
    ],
)
def test_what_cannot_be_used_is_told(tmp_path, source, message):
    with pytest.raises(ImageError, match=message):
        open_source(source, str(tmp_path), 64)


@pytest.mark.parametrize("kind", ["png", "webp"])
def test_lossless_formats_give_the_pixels_back_and_the_same_bytes_twice(kind):
    image = _stripes(64, 64)
    data = encode_image(image, kind)
    assert Image.open(io.BytesIO(data)).convert("RGB").tobytes() == image.tobytes()
    assert encode_image(image, kind) == data


def test_jpg_is_close():
    data = encode_image(_stripes(64, 64), "jpg")
    assert Image.open(io.BytesIO(data)).format == "JPEG"


def test_the_hash_of_a_look_outlives_size_and_brightness_and_tells_pictures_apart():
    pictures = [
        Image.effect_noise((8, 8), 90).resize((64, 64), Image.Resampling.BICUBIC) for _ in range(2)
    ]
    codes = [int(looks(picture), 16) for picture in pictures]
    smaller = int(looks(pictures[0].resize((48, 48)).point(lambda value: value * 0.8)), 16)
    assert (codes[0] ^ smaller).bit_count() <= 6
    assert (codes[0] ^ codes[1]).bit_count() > 12
