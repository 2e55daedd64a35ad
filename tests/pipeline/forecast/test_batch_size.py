"""Which batch size follows from the memory of a trial, given or not."""

import pytest

from pipeline.config import Config
from pipeline.forecast.batch_size import MAX_RAISED, MIN_BATCHES, fitting_settings
from pipeline.forecast.memory import HOST, MemoryUse

MANY = 10_000


def _memory(fits, device="gpu"):
    """Of a trial by which so many images of 1 byte fit."""
    used = MemoryUse(device, models=0, peak=1, total=round(fits / 0.9) + 1, batch_size=1)
    assert used.fits in (fits, fits + 1)
    return used


@pytest.mark.parametrize(
    ("given", "fits", "settings"),
    [
        ({}, 3, {"batch_size": 3}),
        ({"batch_size": 32}, 26, {"batch_size": 26}),
        ({"batch_size": 32}, 100, {}),
        # The slots bound what is made together, as long as a batch fills them.
        ({"batch_size": 64, "slots": 16}, 20, {}),
        ({"batch_size": 64, "slots": 16}, 10, {"slots": 10}),
        ({"batch_size": 8, "slots": 16}, 4, {"batch_size": 4}),
        ({"slots": 4}, 100, {}),
    ],
)
@pytest.mark.parametrize("device", ["gpu", HOST])
def test_what_does_not_fit_is_lowered_and_what_was_given_is_never_raised(
    given, fits, settings, device
):
    memory = _memory(fits, device)
    expected = dict.fromkeys(settings, memory.fits)
    assert fitting_settings(Config(**given), memory, MANY) == expected


@pytest.mark.parametrize(
    ("fits", "requests", "raised"),
    [
        (40, MANY, 41),
        (500, MANY, MAX_RAISED),
        (500, 20 * MIN_BATCHES, 20),
        (500, 8 * MIN_BATCHES, 8),
        (500, 5, 8),
    ],
)
def test_the_default_is_raised_on_a_gpu_as_far_as_workers_can_share_the_batches(
    fits, requests, raised
):
    memory = _memory(fits)
    settings = fitting_settings(Config(), memory, requests)
    assert settings.get("batch_size", 8) == min(raised, memory.fits)
    assert fitting_settings(Config(), _memory(fits, HOST), requests) == {}


def test_one_image_is_made_even_where_the_trial_left_no_room():
    tight = MemoryUse("gpu", models=38, peak=39, total=40, batch_size=1)
    assert fitting_settings(Config(), tight, MANY) == {"batch_size": 1}
