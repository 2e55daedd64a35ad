"""Summaries of logs written by hand."""

from collections import Counter

import pytest

from pipeline.output.run.finished import Counts
from pipeline.watch.speed import WINDOW_BATCHES, WINDOW_SECONDS
from pipeline.watch.summary import RunWatch


def _batch(at, number=0, statuses=None, seconds=8.0, pid=1, **more):
    statuses = statuses or {"accepted": 4}
    return {
        "at": at,
        "batch": number,
        "statuses": statuses,
        "accepted": {"awe": statuses.get("accepted", 0)},
        "asked": {"awe": sum(statuses.values())},
        "seconds": seconds,
        "host": "a",
        "pid": pid,
        **more,
    }


def _start(at, workers=2):
    return {"at": at, "event": "start", "connected": at, "workers": workers}


def _ready(at, device="cpu", pid=1):
    return {"at": at, "event": "ready", "pid": pid, "device": device}


def _counts(accepted=0, **others):
    return Counts(Counter(accepted=accepted, **others), Counter(awe=accepted))


def test_the_speed_is_that_of_the_last_minutes_not_of_the_whole_run():
    watch = RunWatch(1000, entries=[_start(0.0)])
    for number in range(30):
        watch.add(_batch(100.0 * number, number, seconds=100.0))
    late = 3000.0
    for number in range(30, 80):
        watch.add(_batch(late + 8.0 * (number - 29), number))
    now = late + 8.0 * 50
    speed = watch.summary(_counts(320), now).images_per_second
    assert speed == pytest.approx(4 / 8.0, rel=0.05)


def test_the_speed_of_a_stopped_run_does_not_fall_with_time():
    watch = RunWatch(1000, entries=[_start(0.0), _batch(8.0)])
    watch.add({"at": 8.0, "event": "stop", "cause": "interrupted"})
    for now in (8.0, 8000.0):
        assert watch.summary(_counts(4), now).images_per_second == pytest.approx(4 / 8.0)


def test_slow_batches_have_a_speed_though_few_fall_into_the_window():
    watch = RunWatch(1000, entries=[_start(0.0)])
    for number in range(WINDOW_BATCHES):
        watch.add(_batch(600.0 * (number + 1), number, seconds=600.0))
    assert WINDOW_SECONDS < 600.0
    summary = watch.summary(_counts(80), 600.0 * WINDOW_BATCHES)
    assert summary.images_per_second == pytest.approx(4 / 600.0)
    assert summary.seconds_left.middle == pytest.approx(920 * 150.0)


def test_the_time_left_is_not_known_before_three_batches_and_then_has_a_range():
    watch = RunWatch(100, entries=[_start(0.0), _batch(8.0, 0), _batch(16.0, 1)])
    assert watch.summary(_counts(8), 16.0).seconds_left is None
    watch.add(_batch(24.0, 2))
    left = watch.summary(_counts(12), 24.0).seconds_left
    assert left.low < left.middle < left.high
    assert left.middle == pytest.approx(88 / (12 / 24.0))
    assert watch.summary(_counts(100), 24.0).seconds_left.high == 0


def test_acceptance_counts_each_batch_once():
    half = {"accepted": 1, "rejected": 3}
    watch = RunWatch(100, entries=[_batch(1.0, 0, half), _batch(2.0, 0, half), _batch(3.0, 1)])
    count = watch.summary(_counts(5, rejected=3), 3.0).emotions["awe"]
    assert (count.accepted, count.decided) == (5, 8)
    assert count.share == pytest.approx(5 / 8)


def test_gpu_hours_are_those_of_all_sessions_while_their_workers_were_held():
    entries = [_start(0.0, 4), _ready(10.0, "H200"), _batch(3600.0)]
    # A day passed between the sessions.
    entries += [_start(90000.0, 2), _ready(90010.0, "H200"), _batch(91800.0, 1)]
    watch = RunWatch(100, 1.0, price=2.0, entries=entries)
    assert watch.gpu_hours(None) == pytest.approx(4 * 1.0 + 2 * 0.5)
    assert watch.gpu_hours(93600.0) == pytest.approx(4 * 1.0 + 2 * 1.0)
    running = watch.summary(_counts(8), 93600.0)
    assert running.cost == pytest.approx(2.0 * 6.0)
    assert watch.summary(_counts(8), 93600.0, is_running=False).gpu_hours == pytest.approx(5.0)
    assert RunWatch(100, 0.5, entries=entries).gpu_hours(None) == pytest.approx(2.5)
    on_cpu = [_start(0.0, 4), _ready(10.0), _batch(3600.0)]
    assert RunWatch(100, entries=on_cpu).gpu_hours(7200.0) == 0


def test_the_slowest_worker_is_named_and_one_that_ended_is_not_counted():
    entries = [_start(0.0), _batch(8.0, 0, pid=1), _batch(20.0, 1, seconds=20.0, pid=2)]
    watch = RunWatch(100, entries=entries)
    summary = watch.summary(_counts(8), 20.0)
    assert (summary.workers, summary.slowest.name, summary.slowest.seconds) == (2, "a:2", 5.0)
    watch.add({"at": 21.0, "event": "ended", "pid": 2, "cause": "killed"})
    summary = watch.summary(_counts(8), 21.0)
    assert (summary.workers, summary.slowest.name) == (1, "a:1")
    assert summary.problems == ["a worker ended: killed"]


def test_only_the_last_problems_are_kept_and_a_silence_is_measured():
    entries = [_start(0.0)]
    for number in range(5):
        reason = f"image {number} cannot be read"
        entries.append(_batch(1.0 + number, number, {"failed": 2}, failures={reason: 2}))
    summary = RunWatch(100, entries=entries).summary(_counts(failed=10), 1000.0)
    assert summary.problems[-1] == "2 request(s) failed: image 4 cannot be read"
    assert len(summary.problems) == 3
    assert summary.silent_seconds == pytest.approx(995.0)


def test_a_run_without_a_log_is_summarised_by_its_counts():
    summary = RunWatch(10).summary(_counts(3), 5.0)
    assert (summary.done, summary.images_per_second, summary.silent_seconds) == (3, None, None)


def test_a_session_is_followed_from_its_start_to_its_end():
    watch = RunWatch(100)
    assert watch.summary(_counts(), 1.0).started is None
    watch.add(_start(1.0))
    for pid in (1, 2):
        watch.add({"at": 2.0, "event": "placed", "pid": pid})
    watch.add(_ready(3.0, pid=2))
    watch.add({"at": 3.5, "event": "ended", "pid": 1, "cause": "killed"})
    summary = watch.summary(_counts(), 4.0)
    assert (summary.started, summary.placed, summary.ready) == (2, 1, 1)
    assert summary.is_running
    watch.add({"at": 5.0, "event": "stop", "cause": "interrupted"})
    summary = watch.summary(_counts(), 6.0)
    assert (summary.stopped, summary.is_running) == ("interrupted", False)
    # A resume begins another one.
    watch.add(_start(7.0))
    summary = watch.summary(_counts(), 8.0)
    assert (summary.stopped, summary.is_running, summary.placed) == (None, True, 0)


def test_workers_with_resources_are_told_of_until_one_has_a_process():
    watch = RunWatch(100, entries=[_start(1.0)])
    assert watch.summary(_counts(), 2.0).held is None
    watch.add({"at": 7.0, "event": "held", "workers": 2})
    assert watch.summary(_counts(), 8.0).held == 2
    watch.add({"at": 9.0, "event": "placed", "pid": 1})
    assert watch.summary(_counts(), 9.0).held is None


def test_gpus_cost_until_the_driver_stopped_and_no_longer():
    entries = [_start(0.0, 4), _ready(10.0, "H200"), _batch(1800.0)]
    entries.append({"at": 3600.0, "event": "stop", "cause": "interrupted"})
    watch = RunWatch(100, 1.0, price=2.0, entries=entries)
    assert watch.summary(_counts(4), 99999.0).gpu_hours == pytest.approx(4.0)


def test_a_driver_that_resumes_a_run_outranks_the_stop_of_the_last_one():
    """Its start is logged after its checks; until then it has no workers, and none cost."""
    entries = [_start(0.0), _ready(1.0, "H200"), _batch(8.0)]
    watch = RunWatch(100, entries=[*entries, {"at": 9.0, "event": "stop", "cause": "interrupted"}])
    stopped = watch.summary(_counts(4), 3600.0, is_running=False)
    resumed = watch.summary(_counts(4), 3600.0, is_running=True)
    assert (stopped.is_running, stopped.stopped) == (False, "interrupted")
    assert (resumed.is_running, resumed.stopped) == (True, None)
    assert (resumed.started, resumed.placed, resumed.ready, resumed.workers) == (None, 0, 0, 0)
    assert (resumed.images_per_second, resumed.seconds_left, resumed.silent_seconds) == (None,) * 3
    assert resumed.gpu_hours == stopped.gpu_hours > 0
    watch.add(_start(3600.0))
    assert watch.summary(_counts(4), 3600.0, is_running=True).started == 2


def test_a_driver_that_has_made_everything_and_builds_the_index_has_finished():
    watch = RunWatch(4, entries=[_start(0.0), _batch(8.0)])
    watch.add({"at": 9.0, "event": "stop", "cause": "finished"})
    summary = watch.summary(_counts(4), 10.0, is_running=True)
    assert (summary.is_running, summary.stopped) == (False, "finished")
