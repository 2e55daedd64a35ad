"""How far the check of a manifest has come: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable

from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from pipeline.watch.log_output import logger

EVERY_ROWS = 64
"""How many rows are read between two looks at the clock."""

SLOW_SECONDS, LINE_SECONDS = 3.0, 10.0
"""Nothing is shown before; seconds between two plain lines."""


class RowProgress:
    """Call it with a number of rows and their total. A check that is quick shows nothing.

    With the last row the bar is cleared: what follows may have a display of its own. Called again,
    it shows another check.

    Args:
        what: is done, as `checking prompts`.
        of: what it is done with.
        every: how many of these are done between two looks at the clock; `EVERY_ROWS` by default.
        clock: seconds.
    """

    def __init__(
        self,
        what: str,
        clock: Callable[[], float] = time.monotonic,
        of: str = "rows",
        every: int | None = None,
    ):
        self.what, self.clock, self.of = what, clock, of
        self.every = EVERY_ROWS if every is None else every
        self.console = Console(stderr=True)
        self.bar: Progress | None = None
        self.task = TaskID(0)
        self.next_at = clock() + SLOW_SECONDS

    def __enter__(self) -> RowProgress:
        return self

    def __exit__(self, *_: object) -> None:
        # A check that was broken off has left its bar.
        self._clear()

    def __call__(self, done: int, total: int) -> None:
        if done == total:
            self._clear()
            return
        if done % self.every or self.clock() < self.next_at:
            return
        if not self.console.is_terminal:
            self.next_at = self.clock() + LINE_SECONDS
            counts = f"{done:,} of {total:,} {self.of}"
            logger.info("muse-batch: %s: %s", self.what, counts)
            return
        if self.bar is None:
            self.bar = _bar(self.console)
            self.task = self.bar.add_task(self.what, total=total)
            self.bar.start()
        self.bar.update(self.task, completed=done)

    def _clear(self) -> None:
        """What the command has found comes in its place."""
        if self.bar is not None:
            self.bar.stop()
            self.bar = None


def _bar(console: Console) -> Progress:
    columns = (TextColumn("{task.description}"), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=console, transient=True)
