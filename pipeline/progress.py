"""The progress of a run: a live display on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as RichProgress

from pipeline.generation.verdicts import ACCEPTED, FAILED, REJECTED
from pipeline.output.batches import Report
from pipeline.output.finished import Counts
from pipeline.terminal import printable

LINE_SECONDS = 10.0
"""Seconds between two plain lines."""


class Progress:
    """Shows how many requests are done, how they ended, images per second, and the time left.

    Args:
        total: requests of the plan.
        counts: those that were done before; later ones are added to it.
    """

    def __init__(self, total: int, counts: Counts):
        self.total, self.counts, self.done_before = total, counts, counts.done
        self.began = self.last_line = time.monotonic()
        self.console = Console(stderr=True)
        self.bar: RichProgress | None = None

    def __enter__(self) -> Progress:
        if self.console.is_terminal:
            self._start_bar()
        else:
            self._print(f"{self.counts.done} of {self.total} done, starting workers")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.bar:
            self.bar.stop()
        elif self.counts.done > self.done_before:
            self._print_line()

    def add(self, report: Report) -> None:
        """Count a finished batch, and show it."""
        self.counts.add(report.statuses, report.accepted)
        if self.bar:
            self.bar.update(self.task, completed=self.counts.done, summary=self.summary())
        elif time.monotonic() - self.last_line >= LINE_SECONDS:
            self._print_line()

    def images_per_second(self) -> float:
        """Since the start of this process."""
        return (self.counts.done - self.done_before) / max(1e-9, time.monotonic() - self.began)

    def summary(self) -> str:
        """How many requests ended in which way, and how fast."""
        statuses = (ACCEPTED, REJECTED, FAILED)
        ended = ", ".join(f"{self.counts.statuses[status]} {status}" for status in statuses)
        by_emotion = " ".join(f"{name} {n}" for name, n in sorted(self.counts.accepted.items()))
        parts = [ended, printable(by_emotion), f"{self.images_per_second():.2f} images/s"]
        return " | ".join(part for part in parts if part)

    def _start_bar(self) -> None:
        columns = [
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[summary]}", markup=False),
        ]
        self.bar = RichProgress(*columns, console=self.console)
        self.bar.start()
        self.task = self.bar.add_task(
            "muse-batch",
            total=self.total,
            completed=self.counts.done,
            summary="starting workers",
        )

    def _print_line(self) -> None:
        self.last_line = time.monotonic()
        left_s = (self.total - self.counts.done) / max(1e-9, self.images_per_second())
        self._print(f"{self.counts.done}/{self.total} | {self.summary()} | {left_s:.0f} s left")

    def _print(self, text: str) -> None:
        print(f"muse-batch: {text}", file=sys.stderr, flush=True)
