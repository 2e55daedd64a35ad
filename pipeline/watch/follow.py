"""A run followed from its files, on any machine: `muse-batch status --watch`."""

from __future__ import annotations

import time
from collections.abc import Callable

from rich.console import Console
from rich.live import Live

from pipeline.corpora.status import counts_of
from pipeline.output.contents import contents_of
from pipeline.output.run_file import RUN_FILE, read_run
from pipeline.storage.files import Location, size_of
from pipeline.storage.lease import WATCH_SECONDS, lease_file
from pipeline.storage.log import LogReader
from pipeline.storage.regular import read_file
from pipeline.terminal import printable
from pipeline.watch import text
from pipeline.watch.summary import RunWatch, Summary

PAUSE_FACTOR = 10
"""A pause takes so many times as long as reading the files took, at least."""


def follow(output: Location, interval: float) -> None:
    """Show the progress of a run until it is complete.

    Args:
        interval: seconds between two looks; they are longer where reading takes long.

    Raises:
        UserError: damaged.
    """
    console = Console()
    # The run may have been started at the same moment.
    if size_of(output / RUN_FILE) is None:
        console.print(
            f"waiting for a run in {printable(str(output))}", markup=False, soft_wrap=True
        )
    while size_of(output / RUN_FILE) is None:
        time.sleep(interval)
    follower = Follower(output)
    if not console.is_terminal:
        _follow_in_lines(follower, interval)
        return
    with Live(console=console, auto_refresh=False) as live:
        while True:
            began = time.monotonic()
            summary, complete = follower.look()
            live.update(text.panel(summary, str(output)), refresh=True)
            if complete:
                return
            _pause(interval, time.monotonic() - began)


def _follow_in_lines(follower: Follower, interval: float) -> None:
    """A line whenever it has changed: of a run that has stopped, the same one would fill a log."""
    before = ""
    while True:
        began = time.monotonic()
        summary, complete = follower.look()
        if (line := text.line(summary)) != before:
            print(f"{follower.output}: {line}", flush=True)
        before = line
        if complete:
            return
        _pause(interval, time.monotonic() - began)


def _pause(interval: float, reading: float) -> None:
    time.sleep(max(interval, PAUSE_FACTOR * reading))


class DriverWatch:
    """Whether a driver is at work on an output: one that is keeps renewing its lease.

    Args:
        clock: seconds, as `time.monotonic()`.
    """

    def __init__(self, output: Location, clock: Callable[[], float] = time.monotonic):
        self.file, self.clock = lease_file(output), clock
        self.content: bytes | None = None
        self.since = clock()

    def is_at_work(self) -> bool:
        """Without a lease there is none; one that stands still for too long has lost its driver."""
        try:
            content = read_file(self.file)
        except OSError:
            return False
        if content != self.content:
            self.content, self.since = content, self.clock()
        return self.clock() - self.since < WATCH_SECONDS


class Follower:
    """Looks at a run again and again; of its log, each look reads what was appended."""

    def __init__(self, output: Location):
        self.output, self.driver = output, DriverWatch(output)
        self._begin(RunWatch(0))

    def _begin(self, watch: RunWatch) -> None:
        self.watch, self.log = watch, LogReader(self.output)

    def look(self) -> tuple[Summary, bool]:
        """The summary of a run as its files are now, and whether it is complete.

        Raises:
            UserError: not the output of a run, or damaged.
        """
        run = read_run(self.output)
        gpus = run.config.get("gpus_per_worker", -1.0)
        watch = RunWatch(run.requests, gpus, run.config.get("gpu_hour_price", 0.0))
        # A run can be extended, or its output replaced by another one.
        if self.log.was_replaced() or self.watch.settings != watch.settings:
            self._begin(watch)
        for entry in self.log.entries():
            self.watch.add(entry)
        counts = counts_of(self.output, run, contents_of(self.output))
        is_running = not run.complete and self.driver.is_at_work()
        return self.watch.summary(counts, time.time(), is_running), run.complete
