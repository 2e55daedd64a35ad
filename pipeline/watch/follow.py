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
from pipeline.storage.log import read_log
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
    if not console.is_terminal:
        _follow_in_lines(output, interval)
        return
    driver = DriverWatch(output)
    with Live(console=console, auto_refresh=False) as live:
        while True:
            began = time.monotonic()
            summary, complete = look(output, driver)
            live.update(text.panel(summary, str(output)), refresh=True)
            if complete:
                return
            _pause(interval, time.monotonic() - began)


def _follow_in_lines(output: Location, interval: float) -> None:
    driver = DriverWatch(output)
    while True:
        began = time.monotonic()
        summary, complete = look(output, driver)
        print(f"{output}: {text.line(summary)}", flush=True)
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
            content = self.file.read_bytes()
        except FileNotFoundError:
            return False
        if content != self.content:
            self.content, self.since = content, self.clock()
        return self.clock() - self.since < WATCH_SECONDS


def look(output: Location, driver: DriverWatch) -> tuple[Summary, bool]:
    """The summary of a run as its files are now, and whether it is complete.

    Raises:
        UserError: not the output of a run, or damaged.
    """
    run = read_run(output)
    gpus = run.config.get("gpus_per_worker", -1.0)
    price = run.config.get("gpu_hour_price", 0.0)
    watch = RunWatch(run.requests, gpus, price, read_log(output).entries)
    counts = counts_of(output, run, contents_of(output))
    is_running = not run.complete and driver.is_at_work()
    return watch.summary(counts, time.time(), is_running), run.complete
