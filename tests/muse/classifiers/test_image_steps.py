"""Resizing and crops against Pillow's and transformers' own."""

import numpy as np
import pytest
import torch
from PIL import Image
from transformers.image_transforms import center_crop

from muse.classifiers.image_steps import (
    MODES,
    CentreCrop,
    CentreShare,
    ShortestEdge,
    Squash,
    resize,
)


@pytest.fixture
def noise():
    """Every pixel differs from its neighbours, within half of the range: no filter overshoots."""
    return np.random.default_rng(0).integers(64, 192, (21, 35, 3), dtype=np.uint8)


def _pixels(picture):
    return torch.from_numpy(picture).permute(2, 0, 1)[None].float()


@pytest.mark.parametrize("size", [(9, 12), (40, 50), (9, 50)])
@pytest.mark.parametrize("number", MODES)
def test_resizing_is_pillows_up_and_down(number, size, noise):
    """To a level or two: Pillow rounds to whole ones between both directions and at the end."""
    theirs = np.array(Image.fromarray(noise).resize(size[::-1], number))
    ours = resize(_pixels(noise), size, MODES[number])
    assert (ours - _pixels(theirs)).abs().max() < (1e-6 if MODES[number] == "nearest" else 1.6)


@pytest.mark.parametrize("number", MODES)
def test_every_filter_has_a_gradient(number, noise):
    pixels = _pixels(noise).requires_grad_()
    resize(pixels, 8, MODES[number]).square().sum().backward()
    assert pixels.grad.isfinite().all()
    assert pixels.grad.abs().sum() > 0


@pytest.mark.parametrize("size", [(20, 20), (21, 20), (30, 30), (25, 48), (48, 20), (22, 34)])
def test_a_crop_of_any_size_is_that_of_transformers(size, noise):
    picture = np.moveaxis(noise, -1, 0)
    theirs = center_crop(picture, size, input_data_format="channels_first")
    ours = CentreCrop(*size)(_pixels(noise), "bilinear")
    assert np.array_equal(ours[0].numpy(), theirs)


def test_a_step_of_either_kind_keeps_or_gives_up_the_aspect(noise):
    pixels = _pixels(noise)
    assert ShortestEdge(42)(pixels, "bilinear").shape[-2:] == (42, 70)
    assert ShortestEdge(10)(pixels.mT, "bilinear").shape[-2:] == (16, 10)
    assert Squash(8, 16)(pixels, "bilinear").shape[-2:] == (8, 16)
    assert CentreShare(0.5, 1.0)(pixels, "bilinear").shape[-2:] == (10, 21)
