"""Memory: what is read of this process, and what follows for a batch."""

import numpy as np
import pytest

from pipeline.forecast.memory import USABLE, MemoryUse, Meter

GIB = 1 << 30


def test_the_batch_that_fits_follows_from_what_one_image_took():
    used = MemoryUse("gpu", models=10 * GIB, peak=14 * GIB, total=40 * GIB, batch_size=4)
    # 1 GiB an image; 36 usable, 10 of them for the models.
    assert used.fits == int(USABLE * 40 - 10) == 26
    assert used.as_json()["fits"] == 26
    tight = MemoryUse("gpu", models=38 * GIB, peak=39 * GIB, total=40 * GIB, batch_size=1)
    assert tight.fits == 0


def test_what_this_process_takes_is_seen():
    meter = Meter(on_gpu=False)
    meter.note_models()
    before = meter.use(1).peak
    # As much as this process once had, and a little more.
    grown = np.ones((max(0, before - meter.models) + (64 << 20)) // 8)
    used = meter.use(2)
    del grown
    assert used.peak >= before + (32 << 20)
    assert used.total > used.peak > used.models > 0
    assert used.device == "host"
    assert used.batch_size == pytest.approx(2)
