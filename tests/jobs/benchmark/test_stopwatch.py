"""The stopwatch, by a clock that is set by hand."""

import time

import pytest

from jobs.benchmark.stopwatch import Stopwatch


@pytest.fixture
def clock(monkeypatch):
    """A clock that only moves when it is set."""
    now = [0.0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])
    return now


class Kitchen:
    def __init__(self, clock):
        self.clock = clock

    def cook(self):
        self.clock[0] += 1
        self.wash()
        self.season()

    def wash(self):
        self.clock[0] += 10

    def season(self):
        self.clock[0] += 100
        self.wash()


def test_a_part_stops_the_clock_of_the_one_around_it(clock):
    watch, kitchen = Stopwatch(), Kitchen(clock)
    with (
        watch.watch(kitchen, "cook", "cooking"),
        watch.watch(kitchen, "season", "seasoning"),
        watch.watch(kitchen, "wash", "washing", inside="cooking"),
    ):
        kitchen.cook()
        kitchen.wash()
    assert watch.seconds == {"cooking": 1, "seasoning": 110, "washing": 10}
    kitchen.cook()
    assert sum(watch.seconds.values()) == 121
