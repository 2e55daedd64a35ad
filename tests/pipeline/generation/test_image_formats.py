"""What a format cannot hold is known before it is made."""

import io

import pytest
from PIL import Image

from muse.sizes import Size
from pipeline.generation.finished_images import SyntheticSource, encode_image
from pipeline.generation.image_formats import LONGEST_SIDES, format_problems, restored_problem


@pytest.mark.parametrize("image_format", LONGEST_SIDES)
def test_the_limits_are_those_of_the_encoders(image_format):
    longest, source = LONGEST_SIDES[image_format], SyntheticSource("0", is_edit=False)
    for size in ((longest, 1), (1, longest)):
        data = encode_image(Image.new("RGB", size), image_format, source)
        assert Image.open(io.BytesIO(data)).size == size
        assert format_problems(Size(*size), image_format) == {}
        assert restored_problem(Size(*size), image_format) is None
    with pytest.raises((ValueError, OSError)):
        encode_image(Image.new("RGB", (longest + 1, 1)), image_format, source)


def test_a_side_that_is_too_long_is_named_with_the_formats_that_hold_it():
    assert format_problems(Size(16_384, 64), "webp") == {
        "width": "is 16384; webp holds at most 16383 pixels a side: set image_format = jpg or png, "
        "or give a smaller size"
    }
    (problem,) = format_problems(Size(64, 65_504), "jpg").values()
    assert "jpg holds at most 65500 pixels a side: set image_format = png, or" in problem
    assert [*format_problems(Size(20_000, 20_000), "webp")] == ["width", "height"]
    assert format_problems(Size(65_535, 64), "png") == {}


def test_an_edit_that_cannot_be_put_back_is_told_with_the_remedies():
    problem = restored_problem(Size(8, 16_390), "webp")
    assert problem.startswith("has 8 x 16390 pixels, and webp holds at most 16383 a side")
    assert problem.endswith("set image_format = png, or restore_size = false")
