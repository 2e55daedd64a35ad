"""Finished images: constant bytes, marked as synthetic, with hashes that near-duplicates share."""

import io

import exiv2
import pytest
from PIL import Image

from pipeline.generation.finished_images import SyntheticSource, encode_image, perceptual_hash

GENERATED = SyntheticSource("000000007", is_edit=False)
FORMATS = ["png", "webp", "jpg"]


def _stripes(width, height):
    image = Image.new("RGB", (width, height), "blue")
    image.paste("red", (0, 0, width, height // 2))
    return image


@pytest.mark.parametrize("kind", ["png", "webp"])
def test_lossless_formats_give_the_pixels_back_and_the_same_bytes_twice(kind):
    image = _stripes(64, 64)
    data = encode_image(image, kind, GENERATED)
    assert Image.open(io.BytesIO(data)).convert("RGB").tobytes() == image.tobytes()
    assert encode_image(image, kind, GENERATED) == data


def test_jpg_is_close():
    data = encode_image(_stripes(64, 64), "jpg", GENERATED)
    assert Image.open(io.BytesIO(data)).format == "JPEG"


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize(
    ("is_edit", "term"),
    [(False, "trainedAlgorithmicMedia"), (True, "compositeWithTrainedAlgorithmicMedia")],
)
def test_exiv2_reads_that_the_image_is_synthetic_and_its_key(kind, is_edit, term):
    data = encode_image(_stripes(64, 64), kind, SyntheticSource("000000007", is_edit))
    image = exiv2.ImageFactory.open(data)
    image.readMetadata()
    xmp = {str(datum.key()): str(datum.value()) for datum in image.xmpData()}
    source_type = xmp["Xmp.iptcExt.DigitalSourceType"]
    assert source_type == f"http://cv.iptc.org/newscodes/digitalsourcetype/{term}"
    assert xmp["Xmp.dc.identifier"] == "000000007"


def test_the_hash_survives_size_and_brightness_and_differs_between_pictures():
    pictures = [
        Image.effect_noise((8, 8), 90).resize((64, 64), Image.Resampling.BICUBIC) for _ in range(2)
    ]
    codes = [int(perceptual_hash(picture), 16) for picture in pictures]
    darker = pictures[0].resize((48, 48)).point(lambda value: value * 0.8)
    assert (codes[0] ^ int(perceptual_hash(darker), 16)).bit_count() <= 6
    assert (codes[0] ^ codes[1]).bit_count() > 12
