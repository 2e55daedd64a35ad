"""What a run shows while it goes, as its user sees it: plain lines in a file, a live display on a
terminal."""

import contextlib
import io
import os
import pty
import re
import subprocess
import sys
import threading
from collections import Counter

import pytest
from rich.console import Console

from pipeline.errors import RunStopped
from pipeline.output.batches import Report
from pipeline.output.run.finished import Counts
from pipeline.scheduling.executors.local_executor import LocalExecutor
from pipeline.watch import display
from pipeline.watch.display import Display
from pipeline.watch.summary import RunWatch
from tests.support import drive
from tests.support.local_runs import run_locally, stop_at, write_rows

COUNTS = re.compile(r"(\d+) accepted, (\d+) rejected, (\d+) failed")


@pytest.fixture(scope="module")
def manifest(tmp_path_factory):
    return drive.write_manifest(
        tmp_path_factory.mktemp("plain") / "manifest.parquet", [f"a dog {n}" for n in range(8)]
    )


def test_where_no_terminal_is_it_tells_plain_lines_from_start_to_end(manifest, tmp_path):
    done = drive.run(manifest, tmp_path / "out", "--workers", 1)
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stderr.splitlines() if line.startswith("muse-batch: ")]
    first, last = lines[0], lines[-1]
    assert first == "muse-batch: 0 of 8 done, starting workers"
    counts = COUNTS.search(done.stdout)
    accepted = int(counts[1])
    begin = f"muse-batch: 8/8 | {counts[0]} | awe {accepted} | speed "
    assert last.startswith(begin)
    assert re.fullmatch(r"\d+\.\d\d images/s \| finished", last.removeprefix(begin))
    assert "\x1b" not in done.stderr


def test_on_a_terminal_it_shows_a_live_display_up_to_the_last_image(manifest, tmp_path):
    ours, theirs = pty.openpty()
    shown = bytearray()

    def watch() -> None:
        try:
            while read := os.read(ours, 4096):
                shown.extend(read)
        except OSError:  # its last process has closed it
            return

    watching = threading.Thread(target=watch)
    watching.start()
    arguments = drive.run_arguments(manifest, tmp_path / "out", "--executor", "local")
    command = [sys.executable, "-m", "pipeline", *arguments]
    wide = {**drive.environment(), "TERM": "xterm", "COLUMNS": "160"}
    try:
        done = subprocess.run(
            command,
            stdout=subprocess.PIPE,
            stderr=theirs,
            env=wide,
            text=True,
            timeout=drive.TIMEOUT_S,
            check=False,
        )
    finally:
        os.close(theirs)
        watching.join()
        os.close(ours)
    text = shown.decode()
    assert done.returncode == 0, text
    assert "\x1b[" in text
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)
    assert "0 of 8 (0%)" in plain
    # The reasons of what was rejected come after the display.
    assert plain.rindex("8 of 8 (100%)") > plain.rindex("0 of 8 (0%)")
    *_, last = COUNTS.finditer(plain)
    assert last[0] == COUNTS.search(done.stdout)[0]


def _entry(number, statuses, accepted=()):
    report = Report(number, statuses, dict(accepted), seconds=1.0, host="a", pid=1)
    return report, {"at": 10.0 + number, **report.as_log_entry()}


@pytest.mark.parametrize(("seconds", "lines"), [(0.0, 3), (1e6, 1)])
def test_plain_lines_come_no_faster_than_their_pace_and_the_last_one_always(
    monkeypatch, capsys, seconds, lines
):
    """Resumed with four of ten done; both of its batches count, in lines or in the last one."""
    monkeypatch.setattr(display, "LINE_SECONDS", seconds)
    before = Counts(Counter(accepted=3, failed=1), Counter(awe=3))
    shown = []
    with Display(RunWatch(10), before, shown.append) as live:
        for report, entry in (
            _entry(1, {"accepted": 1, "failed": 2}, [("fear", 1)]),
            _entry(2, {"rejected": 3}),
        ):
            live.add(report)
            live.note(entry)
    first, *later = capsys.readouterr().err.splitlines()
    assert first == "muse-batch: 4 of 10 done, starting workers"
    assert len(later) == lines
    assert later[-1].startswith(
        "muse-batch: 10/10 | 4 accepted, 3 rejected, 3 failed | awe 3 fear 1 | "
    )
    assert shown[-1].done == 10


def test_a_line_tells_what_workers_do_before_the_first_batch(monkeypatch, capsys):
    """One each time it is due, with the numbers of that moment, though nothing ends meanwhile."""
    monkeypatch.setattr(display, "LINE_SECONDS", 0.0)
    watch = RunWatch(10, entries=[{"event": "start", "at": 1.0, "workers": 2}])
    with Display(watch, Counts(Counter(), Counter())) as live:
        live.tick()
        watch.add({"event": "placed", "at": 2.0, "pid": 7})
        live.tick()
        watch.add({"event": "ready", "at": 3.0, "pid": 7})
        live.tick()
        monkeypatch.setattr(display, "LINE_SECONDS", 1e6)
        live.tick()
    lines = capsys.readouterr().err.splitlines()
    assert [line.partition("workers: ")[2] for line in lines[1:]] == [
        "2 starting or waiting for a place",
        "1 loading models, 1 starting or waiting for a place",
        "1 at work on the first batches, 1 starting or waiting for a place",
    ]


def test_a_line_is_not_repeated_while_nothing_changes_but_for_a_heartbeat(monkeypatch, capsys):
    """Though all that is measured by the clock, as speed and cost, does change."""
    monkeypatch.setattr(display, "LINE_SECONDS", 0.0)
    watch = RunWatch(10, entries=[{"event": "start", "at": 1.0, "workers": 1}])
    shown = []
    with Display(watch, Counts(Counter(), Counter()), shown.append) as live:
        for _ in range(3):
            live.tick()
        report, entry = _entry(1, {"accepted": 4})
        live.add(report)
        for _ in range(3):
            live.note(entry)
        monkeypatch.setattr(display, "HEARTBEAT_SECONDS", 0.0)
        live.tick()
        monkeypatch.setattr(display, "HEARTBEAT_SECONDS", 1e6)
        live.tick()
    _, *lines = capsys.readouterr().err.splitlines()
    # The start, the batch, the heartbeat; and the last line, which comes in any case.
    assert [line.split()[1] for line in lines] == ["0/10", "4/10", "4/10", "4/10"]
    # What follows the run by other means hears of it each time.
    assert len(shown) >= 8


def test_lines_come_while_a_batch_is_made_within_this_process(monkeypatch, capsys):
    monkeypatch.setattr(display, "LINE_SECONDS", 0.0)
    monkeypatch.setattr(display, "HEARTBEAT_SECONDS", 0.0)
    monkeypatch.setattr(display, "TIMER_SECONDS", 0.001)
    told = threading.Semaphore(0)
    with Display(RunWatch(10), Counts(Counter(), Counter()), lambda _: told.release()) as live:
        # The thread of the run is busy: it waits, at most, for two lines of the other one.
        assert told.acquire(timeout=60)
        assert told.acquire(timeout=60)
    assert not live._thread.is_alive()
    assert capsys.readouterr().err.count("0/10 | ") >= 2


def test_an_interrupted_run_tells_once_how_far_it_came_and_leaves_the_reason_to_the_command(
    monkeypatch, capsys
):
    """Though a plain line was due at the moment of its end."""
    report, entry = _entry(1, {"accepted": 4})

    def interrupted() -> None:
        with Display(RunWatch(10), Counts(Counter(), Counter())) as live:
            live.add(report)
            live.note(entry)
            monkeypatch.setattr(display, "LINE_SECONDS", 0.0)
            live.note({"at": 12.0, "event": "stop", "cause": "interrupted"})
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    _, *told = capsys.readouterr().err.splitlines()
    (line,) = told
    assert line.startswith("muse-batch: 4/10 | 4 accepted")
    assert "interrupted" not in line
    assert "resumes" not in line


def test_on_a_terminal_too_an_interrupted_run_leaves_the_reason_to_the_command():
    report, entry = _entry(1, {"accepted": 4})
    live = Display(RunWatch(10), Counts(Counter(), Counter()))
    live.console = Console(file=io.StringIO(), force_terminal=True, width=100)

    def interrupted() -> None:
        with live:
            live.add(report)
            live.note(entry)
            live.note({"at": 12.0, "event": "stop", "cause": "interrupted"})
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    last = live.console.file.getvalue().rpartition("muse-batch")[2]
    assert "4 of 10" in last
    assert "interrupted" not in last
    assert "resumes" not in last


def test_a_run_tells_how_it_goes_while_no_worker_answers(tmp_path, monkeypatch, capsys):
    class Slow(LocalExecutor):
        """Its first looks find nothing, as while workers start."""

        looks = 0

        def wait(self, timeout_s):
            self.looks += 1
            return [] if self.looks <= 3 else super().wait(timeout_s)

    monkeypatch.setattr(display, "LINE_SECONDS", 0.0)
    monkeypatch.setattr(display, "HEARTBEAT_SECONDS", 0.0)
    run_locally(write_rows(tmp_path / "m.parquet", 4), tmp_path / "out", Slow())
    lines = capsys.readouterr().err.splitlines()
    assert sum(line.endswith("workers: 1 starting or waiting for a place") for line in lines) >= 3


def test_after_a_resume_the_earlier_verdicts_are_counted_too(tmp_path, capsys):
    """Whether their requests are in shards, in batch files, or in one that is part of both."""
    manifest = write_rows(tmp_path / "manifest.parquet", 36)
    for stops in (1, 5, 7, None):
        executor = LocalExecutor(before_task=stop_at(stops))
        with contextlib.suppress(RunStopped):
            counts = run_locally(manifest, tmp_path / "out", executor).counts
    *_, last = capsys.readouterr().err.splitlines()
    ended = f"{counts['accepted']} accepted, {counts['rejected']} rejected, 0 failed"
    assert last.startswith(f"muse-batch: 36/36 | {ended} | awe {counts['accepted']} | ")
