"""Utilisation of a device, with the smallest random models on a CPU."""

import time

import pytest
import torch

from jobs.benchmark.cost import gflop
from jobs.benchmark.full_size import utilisation

pytestmark = pytest.mark.research


@pytest.fixture(scope="module")
def bench():
    return utilisation.Bench("tiny", torch.device("cpu"), torch.float32)


def test_operations_are_linear_in_the_number_of_steps(bench, monkeypatch):
    # Fewer steps than are measured on a GPU, to count them one by one.
    monkeypatch.setattr(utilisation, "METHOD", utilisation.METHOD.replace(steps=20))
    extrapolated = utilisation.tflop(bench, "tiny decoder")[utilisation.METHOD.steps]
    counted = gflop(lambda: bench.make("tiny decoder", utilisation.METHOD, 1)) / 1000
    assert extrapolated == pytest.approx(counted, rel=1e-6)


def test_the_sweep_ends_at_the_limit_of_memory(bench, monkeypatch):
    made = []

    def make(arm, method, rows):
        if rows > 1:
            raise torch.OutOfMemoryError("CUDA out of memory")
        made.append(rows)

    monkeypatch.setattr(bench, "make", make)
    assert [row["rows"] for row in utilisation.sweep(bench, "exact", 1.0)] == [1]
    assert made == [1, 1]
    assert utilisation.flat(bench, 2) is None


def test_a_measurement_that_would_take_too_long_is_not_started(bench, monkeypatch):
    monkeypatch.setattr(utilisation, "BUDGET_S", time.monotonic() - bench.began + 60)
    assert bench.timed(lambda: None, expected=50) is not None
    assert bench.timed(lambda: None, expected=70) is None
