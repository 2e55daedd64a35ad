"""What is timed, whatever it takes: the engine at every number of slots, and other loops."""

import pytest
import torch

from jobs.benchmark import speeds
from jobs.benchmark.cost import count
from jobs.evaluation.arms.models import load, pixels_of
from jobs.evaluation.cases import draw_cases
from muse.method import Method
from muse.mini import WEIGHTS

METHOD = Method(steps=2, max_updates_per_step=1)


@pytest.fixture(scope="module")
def models():
    return load(WEIGHTS)


def test_seconds_are_those_of_the_call(monkeypatch):
    now = [10.0]
    monkeypatch.setattr(speeds.time, "perf_counter", lambda: now[0])

    def work():
        now[0] += 3.0

    assert speeds.seconds(work) == 3.0


def test_a_rate_is_of_the_quickest_product(monkeypatch):
    """Of 2048^3 multiplications and additions, four times a measurement."""
    taken = iter([4.0, 2.0, 3.0])
    monkeypatch.setattr(speeds, "seconds", lambda work, device: next(taken))
    rate = speeds.matmul_rate(torch.device("cpu"), torch.float32)
    assert rate == pytest.approx(4 * 2 * 2048**3 / 2.0 / 1e12)


def test_slots_are_doubled_up_to_all(models):
    cases = draw_cases(3, 3, editing=False)
    lines = speeds.by_slots(models, count(models), METHOD, cases, rate=1.0)
    assert [line["slots"] for line in lines] == [1, 2, 3]
    assert all(line["seconds_per_image"] > 0 for line in lines)


def test_each_loop_has_a_pace(models):
    assert speeds.paces(models, METHOD, draw_cases(2, 3, editing=False)).keys() == {
        "lockstep",
        "batches",
        "refilled",
    }


def test_the_reference_makes_an_image_for_each_case(models):
    samples = speeds.one_by_one(models, METHOD, draw_cases(2, 3, editing=False))
    assert pixels_of(samples).shape == (2, 3, 128, 128)
