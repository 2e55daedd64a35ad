"""Memory: what is read of this process, and what follows for a batch."""

import json
import subprocess
import sys

from pipeline.forecast.memory import USABLE, MemoryUse

GIB = 1 << 30


def test_the_batch_that_fits_follows_from_what_one_image_took():
    used = MemoryUse("gpu", models=10 * GIB, peak=14 * GIB, total=40 * GIB, batch_size=4)
    # 1 GiB an image; 36 usable, 10 of them for the models.
    assert used.fits == int(USABLE * 40 - 10) == 26
    assert used.as_json()["fits"] == 26
    tight = MemoryUse("gpu", models=38 * GIB, peak=39 * GIB, total=40 * GIB, batch_size=1)
    assert tight.fits == 0


GROWING = """
import json
from pipeline.forecast.memory import Meter

meter = Meter(on_gpu=False)
meter.note_models()
grown = bytearray(b"1") * (64 << 20)
del grown
print(json.dumps(meter.use(2).as_json()))
"""
"""A process that takes 64 MiB and gives them back."""


def test_what_this_process_takes_is_seen():
    # In a process of its own: this one may give back what other tests left, at any moment.
    ballast = bytearray(b"1") * (256 << 20)
    done = subprocess.run([sys.executable, "-c", GROWING], capture_output=True, check=True)
    del ballast
    used = json.loads(done.stdout)
    assert used["device"] == "host"
    assert used["batch_size"] == 2
    assert used["total"] > used["peak"] > used["models"] > 0
    # Of this process's own memory, which was several times as much, nothing is counted.
    assert 60 << 20 <= used["peak"] - used["models"] <= 96 << 20
