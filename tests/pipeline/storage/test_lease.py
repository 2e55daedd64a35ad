"""One driver at a time, with real files and threads; a driver elsewhere is a lease in a file."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from pipeline.errors import RunStopped, UserError
from pipeline.storage import lease
from pipeline.storage.files import read_json, write_json
from pipeline.storage.lease import Lease, LeaseWatch, State, driver_of, lease_file, machine


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(lease, "BEAT_SECONDS", 0.2)
    monkeypatch.setattr(lease, "WATCH_SECONDS", 1.5)


def _others(output, count: int, **more) -> None:
    write_json(
        lease_file(output),
        {"token": "other", "count": count, "machine": "elsewhere 1", "pid": 1, **more},
    )


@pytest.fixture
def endless(monkeypatch):
    """Who watches another driver does so until the test is stopped."""
    monkeypatch.setattr(lease, "WATCH_SECONDS", 1e6)


def test_it_is_renewed_while_held_and_gone_afterwards(tmp_path):
    with Lease(tmp_path) as held:
        first = read_json(lease_file(tmp_path))["count"]
        while read_json(lease_file(tmp_path))["count"] == first:
            time.sleep(0.05)
        held.check()
    assert not lease_file(tmp_path).exists()


def test_a_driver_of_this_machine_is_told_at_once_with_the_time_it_began(tmp_path, endless):
    assert driver_of(tmp_path) is None
    before = time.time()
    with Lease(tmp_path):
        writer = driver_of(tmp_path)
    assert writer.holder.startswith(f"process {os.getpid()} on ")
    assert before <= writer.began <= time.time()


@pytest.mark.parametrize("began", [None, "noon", -1, float("nan"), 1e300, True, [1]])
def test_a_time_that_cannot_be_meant_is_not_told(tmp_path, began):
    _others(tmp_path, 1, machine=machine(), pid=os.getpid(), began=began)
    assert driver_of(tmp_path).began is None


def test_one_that_moves_is_alive_wherever_it_is(tmp_path):
    _others(tmp_path, 1)
    end = threading.Event()

    def beat() -> None:
        count = 1
        while not end.wait(0.1):
            count += 1
            _others(tmp_path, count)

    thread = threading.Thread(target=beat)
    thread.start()
    try:
        with (
            pytest.raises(UserError, match=r"another driver is writing .*process 1 on elsewhere"),
            Lease(tmp_path),
        ):
            pass
    finally:
        end.set()
        thread.join()
    assert read_json(lease_file(tmp_path))["token"] == "other"


def test_a_driver_is_at_work_as_long_as_its_lease_changes(tmp_path):
    now = [0.0]
    watch = LeaseWatch(lease_file(tmp_path), lambda: now[0])
    assert not watch.is_at_work()
    for count in range(3):
        _others(tmp_path, count)
        now[0] += lease.WATCH_SECONDS - 1
        assert watch.is_at_work()
    now[0] += lease.WATCH_SECONDS - 1
    assert watch.is_at_work()
    now[0] += 1
    assert not watch.is_at_work()


def test_only_a_lease_that_was_seen_to_change_has_a_driver_for_certain(tmp_path):
    watch, seen = LeaseWatch(lease_file(tmp_path), lambda: 0.0), []
    for count in (1, 1, 2, 2):
        _others(tmp_path, count)
        seen.append(watch.look())
    lease_file(tmp_path).unlink()
    seen.append(watch.look())
    assert seen == [State.UNKNOWN, State.UNKNOWN, State.ALIVE, State.ALIVE, State.DEAD]
    # One that comes anew may have been left behind as well.
    _others(tmp_path, 3)
    assert watch.look() is State.UNKNOWN


def test_a_watched_process_of_this_machine_that_is_gone_is_known_at_once(tmp_path):
    _others(tmp_path, 5, machine=lease.machine(), pid=0)
    assert not LeaseWatch(lease_file(tmp_path)).is_at_work()


def test_one_that_stands_still_is_taken_over(tmp_path):
    _others(tmp_path, 5)
    with Lease(tmp_path) as held:
        assert read_json(lease_file(tmp_path))["token"] == held.token


@pytest.mark.timeout(60)
def test_a_dead_process_of_this_machine_is_known_at_once(tmp_path, endless):
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        ended.wait()
    _others(tmp_path, 5, machine=lease.machine(), pid=ended.pid)
    with Lease(tmp_path) as held:
        held.check()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"token": 1}', "\xff"])
def test_what_cannot_be_read_is_no_lease(tmp_path, text):
    lease_file(tmp_path).parent.mkdir()
    lease_file(tmp_path).write_bytes(text.encode("latin-1"))
    with Lease(tmp_path) as held:
        held.check()


def test_a_driver_that_lost_its_lease_stops_and_leaves_the_others(tmp_path):
    with Lease(tmp_path) as held:
        deadline = time.monotonic() + 60
        while not held.lost and time.monotonic() < deadline:
            _others(tmp_path, 1)
            time.sleep(0.05)
        with pytest.raises(RunStopped, match="another driver has taken this output over"):
            held.check()
    assert read_json(lease_file(tmp_path))["token"] == "other"


@pytest.mark.timeout(60)
@pytest.mark.parametrize("pid", [0, -1, 10**30, "1", None])
def test_a_lease_without_a_valid_process_is_dead_at_once(tmp_path, endless, pid):
    _others(tmp_path, 5, machine=lease.machine(), pid=pid)
    with Lease(tmp_path) as held:
        held.check()


@pytest.mark.parametrize("place", ["/proc/x", "/dev/null/x"])
def test_a_place_that_cannot_be_written_is_refused_with_the_remedy(place):
    with pytest.raises(UserError, match=f"{place} cannot be written .*; give a place that can be"):
        Lease(Path(place)).__enter__()
