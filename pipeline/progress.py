"""What a run looks like while it goes: a live display on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections import Counter
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as RichProgress

from pipeline.generation.verdicts import ACCEPTED, FAILED, REJECTED
from pipeline.output.batches import Report

LINE_SECONDS = 10.0


class Progress:
    """Counts reports and shows done of total, accepted per emotion, images per second, time left."""

    def __init__(self, total: int, done: int):
        self.total, self.done, self.resumed = total, done, done
        self.statuses: Counter[str] = Counter()
        self.accepted: Counter[str] = Counter()
        self.began = self.shown = time.monotonic()
        self.console = Console(stderr=True)
        self.bar: RichProgress | None = None

    def __enter__(self) -> Progress:
        if self.console.is_terminal:
            columns = [
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeRemainingColumn(),
            ]
            self.bar = RichProgress(
                *columns, TextColumn("{task.fields[note]}"), console=self.console
            )
            self.bar.start()
            self.task = self.bar.add_task(
                "muse-batch", total=self.total, completed=self.done, note="starting workers"
            )
        else:
            print(
                f"muse-batch: {self.done} of {self.total} done, starting workers",
                file=sys.stderr,
                flush=True,
            )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.bar:
            self.bar.stop()
        elif self.done > self.resumed:
            self._line()

    def add(self, report: Report) -> None:
        self.done += sum(report.statuses.values())
        self.statuses.update(report.statuses)
        self.accepted.update(report.accepted)
        if self.bar:
            self.bar.update(self.task, completed=self.done, note=self.note())
        elif time.monotonic() - self.shown >= LINE_SECONDS:
            self._line()

    def rate(self) -> float:
        """Images per second since the start of this process."""
        return (self.done - self.resumed) / max(1e-9, time.monotonic() - self.began)

    def note(self) -> str:
        each = " ".join(f"{name} {count}" for name, count in sorted(self.accepted.items()))
        counts = ", ".join(
            f"{self.statuses[status]} {status}" for status in (ACCEPTED, REJECTED, FAILED)
        )
        return f"{counts} | {each} | {self.rate():.2f} images/s"

    def _line(self) -> None:
        self.shown = time.monotonic()
        left = (self.total - self.done) / max(1e-9, self.rate())
        print(
            f"muse-batch: {self.done}/{self.total} | {self.note()} | {left:.0f} s left",
            file=sys.stderr,
            flush=True,
        )
