"""Pictures at the size of a model's images, and edits back at the size of their pictures."""

import numpy as np
import pytest
from PIL import Image

from muse.fitting import box_of, fit_image, put_back
from muse.sizes import ModelSizes, Size

SIZES = ModelSizes(Size(64, 64), 16)
WIDE = Size(80, 48)


def _gradient(width, height):
    """Red grows to the right, green downwards."""
    red, green = np.meshgrid(np.linspace(0, 255, width), np.linspace(0, 255, height))
    return Image.fromarray(np.stack([red, green, 0 * red], axis=-1).astype(np.uint8))


def test_the_central_square_is_kept_and_said():
    wide = Image.new("RGB", (301, 100), "black")
    wide.paste("white", (100, 0, 201, 100))
    square = fit_image(wide, Size(32, 32), "crop")
    assert np.asarray(square.image)[:, 2:-2].min() > 250
    assert (square.width, square.height) == (301, 100)
    assert square.crop == (100.5, 0, 200.5, 100)


@pytest.mark.parametrize("resize", ["fit", "crop", "pad", "stretch"])
def test_a_square_picture_is_kept_whole_at_the_models_own_size(resize):
    picture = _gradient(100, 100)
    assert box_of(Size(100, 100), SIZES, resize) == SIZES.own
    fitted = fit_image(picture, SIZES.own, resize)
    expected = picture.resize((64, 64), Image.Resampling.LANCZOS)
    assert fitted.image.tobytes() == expected.tobytes()
    assert (fitted.crop, fitted.place) == ((0, 0, 100, 100), (0, 0, 64, 64))


@pytest.mark.parametrize(
    ("resize", "box"), [("fit", WIDE), ("pad", WIDE), ("stretch", WIDE), ("crop", SIZES.own)]
)
def test_a_wide_picture_keeps_its_aspect_unless_it_is_cropped(resize, box):
    assert box_of(Size(300, 200), SIZES, resize) == box


def test_to_fit_cuts_off_what_is_left_over():
    fitted = fit_image(_gradient(300, 200), WIDE, "fit")
    assert fitted.image.size == (80, 48)
    assert fitted.crop == (0, 10, 300, 190)
    green = np.asarray(fitted.image)[:, :, 1]
    assert green.min() > 10
    assert green.max() < 245


def test_to_pad_shows_all_of_it_and_repeats_its_edges():
    fitted = fit_image(_gradient(300, 200), WIDE, "pad")
    assert fitted.place == (4, 0, 76, 48)
    assert fitted.crop == (0, 0, 300, 200)
    pixels = np.asarray(fitted.image)
    assert (pixels[:, :4] == pixels[:, 4:5]).all()
    assert pixels[0, 4, 1] < 5 < 250 < pixels[-1, 4, 1]


def test_to_stretch_shows_all_of_it():
    pixels = np.asarray(fit_image(_gradient(100, 300), WIDE, "stretch").image)
    assert pixels[0, 0, :2].max() < 5
    assert pixels[-1, -1, :2].min() > 250


@pytest.mark.parametrize("resize", ["fit", "crop", "pad", "stretch"])
@pytest.mark.parametrize("shape", [(300, 200), (101, 333), (64, 64), (20, 30)])
def test_an_edit_that_changes_nothing_is_put_back_as_the_picture(resize, shape):
    picture = _gradient(*shape)
    fitted = fit_image(picture, box_of(Size(*shape), SIZES, resize), resize)
    again = put_back(fitted.image, fitted, picture)
    assert again.size == shape
    difference = np.asarray(again, int) - np.asarray(picture, int)
    assert abs(difference).mean() < 6


@pytest.mark.parametrize("shape", [(1, 2000), (2000, 1), (3, 2000), (2000, 5)])
def test_an_edit_of_a_part_of_a_thin_picture_is_put_back_as_large_as_that_part(shape):
    picture = Image.new("RGB", shape, "blue")
    fitted = fit_image(picture, SIZES.own, "crop")
    again = np.asarray(put_back(Image.new("RGB", (64, 64), "red"), fitted, picture))
    assert (again[..., 0] == 255).sum() == min(shape) ** 2


def test_around_a_cropped_edit_the_picture_is_as_it_was():
    picture = Image.new("RGB", (301, 100), "blue")
    fitted = fit_image(picture, SIZES.own, "crop")
    edited = Image.new("RGB", (64, 64), "red")
    pixels = np.asarray(put_back(edited, fitted, picture))
    assert (pixels[:, :100] == (0, 0, 255)).all()
    assert (pixels[:, 100:200] == (255, 0, 0)).all()
    assert (pixels[:, 200:] == (0, 0, 255)).all()
