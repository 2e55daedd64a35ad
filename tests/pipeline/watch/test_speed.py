"""The speed and the time left of synthetic logs, looked at again and again."""

import itertools

import pytest

from pipeline.watch.speed import MIN_BATCHES, WINDOW_SECONDS, FinishedBatch, Speedometer
from pipeline.watch.summary import RunWatch
from tests.pipeline.watch.test_summary import _batch, _counts, _start

REQUESTS = 4


def _finished(*workers):
    """Batches of workers, each as the seconds of its batches, in the order of their ends."""
    batches = []
    for number, seconds in enumerate(workers):
        at = 0.0
        for each in seconds:
            at += each
            batches.append((at, each, f"a:{number}"))
    return sorted(batches)


def _looks(batches, total, step=1.0):
    """Seconds left at each step, with the truth, from the batch on with which they are known."""
    meter, done, found, end = Speedometer(), 0, [], batches[-1][0]
    now = 0.0
    while now < end:
        while done < len(batches) and batches[done][0] <= now:
            at, seconds, worker = batches[done]
            meter.add(worker, FinishedBatch(at, REQUESTS, seconds))
            done += 1
        left = meter.seconds_left(total - done * REQUESTS, now)
        if left is not None:
            found.append((left.middle, end - now, done))
        now += step
    return found


def test_with_even_batches_the_time_left_goes_down_as_time_goes_by():
    batches = _finished([10.0] * 40)
    for shown, truth, _ in _looks(batches, 160):
        assert shown == pytest.approx(truth)


def test_many_workers_that_finish_at_once_do_not_make_it_jump():
    """Eight workers with a round of 100 s each: the old window held two and a half rounds."""
    batches = _finished(*[[100.0] * 12] * 8)
    for shown, truth, done in _looks(batches, 12 * 8 * REQUESTS):
        if done >= 8:
            assert shown == pytest.approx(truth)


def test_with_batches_of_two_kinds_it_stays_near_the_truth():
    """One in five takes six times as long. After 30 batches it is off by a long batch at most."""
    seconds = [60.0 if number % 5 == 4 else 10.0 for number in range(100)]
    looks = _looks(_finished(seconds, seconds[2:] + seconds[:2]), 200 * REQUESTS)
    steps = []
    for (before, *_), (shown, truth, done) in itertools.pairwise(looks):
        if 30 <= done <= 170:
            assert shown == pytest.approx(truth, abs=0.15 * truth + 60)
            steps.append(abs(shown - before) / truth)
    assert max(steps) < 0.15


def test_a_batch_in_work_slows_nothing_down_until_it_takes_longer_than_any_before():
    meter = Speedometer()
    for number in range(1, 6):
        meter.add("a:1", FinishedBatch(10.0 * number, REQUESTS, 10.0))
    assert meter.images_per_second(50.0) == meter.images_per_second(60.0) == pytest.approx(0.4)
    assert meter.images_per_second(110.0) == pytest.approx(0.2)
    # It grows from there on, as the speed falls.
    assert meter.seconds_left(40, 55.0).middle == pytest.approx(95.0)
    assert meter.seconds_left(40, 110.0).middle > meter.seconds_left(40, 61.0).middle


def test_a_worker_that_has_ended_counts_no_more_at_once():
    meter = Speedometer()
    for worker in ("a:1", "a:2"):
        meter.add(worker, FinishedBatch(10.0, REQUESTS, 10.0))
    assert meter.images_per_second(10.0) == pytest.approx(0.8)
    meter.keep(["a:2"])
    assert meter.images_per_second(10.0) == pytest.approx(0.4)


def test_each_of_many_slow_workers_stays_in_the_window():
    meter = Speedometer()
    for worker in range(64):
        for number in (1, 2):
            slow = 2 * WINDOW_SECONDS
            meter.add(f"a:{worker}", FinishedBatch(slow * number, REQUESTS, slow))
    now = 4 * WINDOW_SECONDS + 1.9 * WINDOW_SECONDS
    assert meter.images_per_second(now) == pytest.approx(64 * REQUESTS / (2 * WINDOW_SECONDS))


def test_after_a_resume_neither_the_pause_nor_the_earlier_workers_count():
    entries = [_start(0.0)]
    entries += [_batch(8.0 * (number + 1), number, pid=1) for number in range(5)]
    entries.append({"at": 41.0, "event": "stop", "cause": "interrupted"})
    watch = RunWatch(100, entries=[*entries, _start(9000.0, 1)])
    assert watch.summary(_counts(20), 9001.0).seconds_left is None
    for number in range(MIN_BATCHES):
        watch.add(_batch(9000.0 + 16.0 * (number + 1), 5 + number, seconds=16.0, pid=2))
    summary = watch.summary(_counts(32), 9048.0)
    assert summary.images_per_second == pytest.approx(0.25)
    assert summary.seconds_left.middle == pytest.approx(68 / 0.25)
