"""A run followed from its files, on any machine: `muse-batch status --watch`."""

from __future__ import annotations

import time

from rich.console import Console
from rich.live import Live

from pipeline.corpora.status import counts_of
from pipeline.output.contents import contents_of
from pipeline.output.run.run_file import RUN_FILE, read_run, similar_folder
from pipeline.storage.files import Location, size_of
from pipeline.storage.lease import LeaseWatch, lease_file
from pipeline.storage.log import LogReader
from pipeline.storage.regular import refuse_special
from pipeline.storage.targets import holds_something_else
from pipeline.terminal import printable
from pipeline.watch import text
from pipeline.watch.summary import RunWatch, Summary

PAUSE_FACTOR, MAX_PAUSE_S = 10, 30.0
"""A pause takes so many times as long as reading the files took, at least; but no longer than so
many seconds for that, since on a busy machine one look may take half a minute."""


def follow(output: Location, interval: float) -> None:
    """Show the progress of a run until it is complete.

    Args:
        interval: seconds between two looks; they are longer where reading takes long.

    Raises:
        UserError: damaged, or the place is not one where a run may begin.
    """
    console = Console()
    # The run may have been started at the same moment.
    if not _has_run(output):
        waiting = f"waiting for a run in {output}"
        if (meant := similar_folder(output)) is not None:
            waiting += f", which does not exist; did you mean {meant}?"
        console.print(printable(waiting), markup=False, soft_wrap=True)
        while not _has_run(output):
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


def _has_run(output: Location) -> bool:
    """Whether a run has begun in an output; False while there is nothing of anything else.

    Raises:
        UserError: no run can begin there.
    """
    refuse_special(output / RUN_FILE)
    if size_of(output / RUN_FILE) is not None:
        return True
    if not holds_something_else(output):
        return False
    read_run(output)
    return True


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
    time.sleep(max(interval, min(MAX_PAUSE_S, PAUSE_FACTOR * reading)))


class Follower:
    """Looks at a run again and again; of its log, each look reads what was appended."""

    def __init__(self, output: Location):
        self.output, self.driver = output, LeaseWatch(lease_file(output))
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
