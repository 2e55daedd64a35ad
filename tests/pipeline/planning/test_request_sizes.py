"""Requests by the size of their images, and the warning of images too large for a model."""

import pytest

from manifests.schema import Row
from muse.sizes import ModelSizes, Size
from pipeline.config import Config
from pipeline.planning.request_sizes import RequestSizes

MODEL = ModelSizes(Size(64, 64), 8)


def _counted(*rows, model=MODEL, **settings):
    sizes = RequestSizes(Config(**settings), model)
    for number, (image, size) in enumerate(rows):
        sizes.add(Row(number, "a dog", image, (), None, None, None, size=size), 2)
    return sizes


def test_requests_of_either_task_are_counted_by_size():
    rows = [(None, (64, 32)), (None, None), ("a.png", None), ("a.png", (64, 32))]
    sizes = _counted(*rows)
    assert sizes.generate == sizes.edit == {Size(64, 32): 2, Size(64, 64): 2}
    assert sizes.all == {Size(64, 32): 4, Size(64, 64): 4}
    assert _counted(*rows, width=96, height=48).generate == {Size(64, 32): 2, Size(96, 48): 2}
    absent = _counted(*rows, model=None)
    assert (absent.generate, absent.unknown) == ({Size(64, 32): 2}, 4)


def test_images_of_more_than_four_times_the_models_area_are_warned_of():
    rows = [(None, None), (None, (136, 128)), ("a.png", (40_000, 40_000)), (None, (128, 128))]
    (warning,) = _counted(*rows).warnings
    assert warning.startswith(
        "2 row(s), the first of them row 1, make images of more than 4 times the area of the "
        "model's own 64 x 64 pixels, up to 40000 x 40000: "
    )


@pytest.mark.parametrize("settings", [{"model": None}, {"engine": "null"}])
def test_without_a_model_no_size_is_too_large(settings):
    assert [*_counted((None, (4096, 4096)), **settings).warnings] == []
