"""Masks follow their pictures, and are refused where they cannot."""

import numpy as np
import pytest
from PIL import Image, ImageDraw

from muse.fitting import fit_image
from muse.masks import MaskError, fit_mask, has_white, mask_tensor, shape_problem, share_of
from muse.sizes import Size


def _mask(width, height, box, white=255):
    mask = Image.new("RGB", (width, height))
    ImageDraw.Draw(mask).rectangle(box, fill=(white,) * 3)
    return mask


def _picture(width=120, height=80, side=40, resize="crop"):
    return fit_image(Image.new("RGB", (width, height)), Size(side, side), resize)


@pytest.mark.parametrize("scale", [1, 2, 0.5])
def test_a_mask_of_any_size_is_cut_and_resized_as_its_picture(scale):
    box = tuple(scale * edge for edge in (20, 0, 60 - 1 / scale, 40 - 1 / scale))
    mask = fit_mask(_mask(int(120 * scale), int(80 * scale), box), _picture())
    # The picture loses 20 pixels at each side, and the rest is halved.
    expected = np.zeros((40, 40), bool)
    expected[:20, :20] = True
    assert np.array_equal(mask_tensor(mask).numpy(), expected)
    assert share_of(mask) == 0.25


def test_a_mask_is_black_and_white_with_its_middle_between():
    for white, share in ((120, None), (136, 0.25)):
        mask = _mask(40, 40, (0, 0, 19, 19), white)
        if share is None:
            with pytest.raises(MaskError, match="no white in the part that is edited"):
                fit_mask(mask, _picture(40, 40))
        else:
            assert share_of(fit_mask(mask, _picture(40, 40))) == share


def test_white_that_is_cut_off_is_no_white():
    with pytest.raises(MaskError, match="no white in the part that is edited"):
        fit_mask(_mask(120, 80, (0, 0, 15, 79)), _picture())


def test_a_mask_of_another_shape_is_refused_with_both_sizes():
    with pytest.raises(MaskError, match=r"has 80 x 110 pixels.*image, which has 120 x 80; save it"):
        fit_mask(_mask(80, 110, (0, 0, 50, 50)), _picture())
    # Half of an odd size is rounded one way or the other.
    assert shape_problem(Size(251, 188), Size(501, 375)) is None
    assert shape_problem(Size(250, 187), Size(501, 375)) is None
    assert shape_problem(Size(250, 190), Size(501, 375)) is not None


def test_a_mask_on_its_side_is_refused_with_the_reason_why_photographs_are_turned():
    with pytest.raises(MaskError, match=r"which has 120 x 80 when it is upright; turn the mask"):
        fit_mask(_mask(80, 120, (0, 0, 50, 50)), _picture())


def test_what_pads_a_picture_stays():
    fitted = fit_mask(_mask(120, 60, (0, 0, 119, 59)), _picture(120, 60, 40, "pad"))
    expected = np.zeros((40, 40), bool)
    expected[10:30] = True
    assert np.array_equal(mask_tensor(fitted).numpy(), expected)


def test_what_counts_as_white_is_told_of_a_whole_mask():
    for grey, white in ((0, False), (127, False), (128, True)):
        assert has_white(Image.new("L", (4, 4), grey)) == white
