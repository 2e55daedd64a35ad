"""Finished images: the same image gives the same bytes, and near-duplicates have near hashes."""

import io

import pytest
from PIL import Image

from pipeline.generation.finished_images import encode_image, perceptual_hash


def _stripes(width, height):
    image = Image.new("RGB", (width, height), "blue")
    image.paste("red", (0, 0, width, height // 2))
    return image


@pytest.mark.parametrize("kind", ["png", "webp"])
def test_lossless_formats_give_the_pixels_back_and_the_same_bytes_twice(kind):
    image = _stripes(64, 64)
    data = encode_image(image, kind)
    assert Image.open(io.BytesIO(data)).convert("RGB").tobytes() == image.tobytes()
    assert encode_image(image, kind) == data


def test_jpg_is_close():
    data = encode_image(_stripes(64, 64), "jpg")
    assert Image.open(io.BytesIO(data)).format == "JPEG"


def test_the_hash_survives_size_and_brightness_and_differs_between_pictures():
    pictures = [
        Image.effect_noise((8, 8), 90).resize((64, 64), Image.Resampling.BICUBIC) for _ in range(2)
    ]
    codes = [int(perceptual_hash(picture), 16) for picture in pictures]
    smaller = int(
        perceptual_hash(pictures[0].resize((48, 48)).point(lambda value: value * 0.8)), 16
    )
    assert (codes[0] ^ smaller).bit_count() <= 6
    assert (codes[0] ^ codes[1]).bit_count() > 12
