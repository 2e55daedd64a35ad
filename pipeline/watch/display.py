"""The progress of a run while it goes: a live display on a terminal, plain lines elsewhere."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.live import Live

from pipeline.output.batches import Report
from pipeline.output.run.finished import Counts
from pipeline.watch import text
from pipeline.watch.log_output import logger
from pipeline.watch.summary import RunWatch, Summary

LINE_SECONDS = 10.0
"""Seconds between two plain lines, if something has changed."""

HEARTBEAT_SECONDS = 300.0
"""The same if nothing has: so a log shows that the run goes on."""

TIMER_SECONDS = 2.0
"""How often a thread looks whether one is due, as while a batch is made within this process."""


class Display:
    """Shows how many requests are done, how they ended, the speed, and the time left.

    Args:
        watch: the entries of the log so far.
        counts: those requests that were done before; later ones are added to it.
        on_summary: is called with each summary that is shown.
    """

    def __init__(
        self,
        watch: RunWatch,
        counts: Counts,
        on_summary: Callable[[Summary], None] = lambda _: None,
    ):
        self.watch, self.counts, self.on_summary = watch, counts, on_summary
        self.done_before, self.last_tick = counts.done, time.monotonic()
        self.last_line, self.last_told = self.last_tick, (counts.done, "")
        self.console = Console(stderr=True)
        self.live: Live | None = None
        self.tells_why = True
        # A thread tells how the run goes while the other one takes entries.
        self._lock, self._end = threading.RLock(), threading.Event()
        self._thread = threading.Thread(target=self._tell, name="display", daemon=True)

    def __enter__(self) -> Display:
        if self.console.is_terminal:
            self.live = Live(get_renderable=self._panel, console=self.console, refresh_per_second=2)
            self.live.start(refresh=True)
        else:
            _print(f"{self.counts.done} of {self.watch.total} done, starting workers")
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end.set()
        self._thread.join()
        # Why it stopped, and what goes on, is what the command ends with.
        self.tells_why = error is None
        if self.live:
            self.live.stop()
        elif self.counts.done > self.done_before:
            _print(text.line(self.summary(), self.tells_why))
        self.on_summary(self.summary())

    def add(self, report: Report) -> None:
        """Count a finished batch."""
        with self._lock:
            self.counts.add(report.statuses, report.accepted)

    def note(self, entry: Mapping[str, Any]) -> None:
        """Take an entry of the log."""
        with self._lock:
            self.watch.add(entry)
        # The last line comes when the display ends.
        if entry.get("event") != "stop":
            self.tick()

    def tick(self) -> None:
        """Tell how the run goes, if it is time to: also while workers start and nothing ends."""
        with self._lock:
            now = time.monotonic()
            if now - self.last_tick >= LINE_SECONDS:
                self.last_tick, summary = now, self.summary()
                self.on_summary(summary)
                if self.live is None:
                    self._print_news(summary, now)

    def summary(self) -> Summary:
        with self._lock:
            return self.watch.summary(self.counts, time.time())

    def _print_news(self, summary: Summary, now: float) -> None:
        """A plain line, if there is something new to tell, or the last one was long ago."""
        # Speed, time left and cost change with the clock alone.
        told = (summary.done, text.workers(summary) if summary.workers == 0 else "")
        if told != self.last_told or now - self.last_line >= HEARTBEAT_SECONDS:
            _print(text.line(summary))
            self.last_line, self.last_told = now, told

    def _tell(self) -> None:
        while not self._end.wait(TIMER_SECONDS):
            self.tick()

    def _panel(self) -> Any:
        return text.panel(self.summary(), "muse-batch", self.tells_why)


def _print(line: str) -> None:
    logger.info("muse-batch: %s", line)
