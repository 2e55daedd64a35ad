"""What is no picture is refused by the name of its argument; `test_call.py` has what is read."""

import pytest
from PIL import Image

from muse.pictures import read_mask, read_picture
from muse.sizes import ModelSizes, Size

SIZES = ModelSizes(Size(64, 64), 16)


@pytest.mark.parametrize("size", [(0, 5), (5, 0)])
def test_a_picture_without_pixels_is_refused(size):
    empty = Image.new("RGB", size)
    width, height = size
    with pytest.raises(ValueError, match=f"image has no pixels: it is {width} x {height}"):
        read_picture(empty, SIZES, None, "fit")
    fitted = read_picture(Image.new("RGB", (8, 8)), SIZES, None, "fit")
    with pytest.raises(ValueError, match="mask_image has no pixels"):
        read_mask(empty.convert("L"), fitted)
