"""How fast a run is, and how long it still takes, from its latest batches. Pure."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pipeline.forecast.forecast import Range, request_seconds

WINDOW_SECONDS = 300.0
WINDOW_BATCHES = 20
"""The speed is that of the batches of the last minutes, and of at least so many."""

MIN_OF_WORKER = 2
"""Batches that are kept of each worker, however many workers there are."""

MIN_BATCHES = 3
"""Batches in the window before a time that is left is shown."""


@dataclass(frozen=True)
class FinishedBatch:
    """When a batch was finished, its requests, and the seconds that it took."""

    at: float
    requests: int
    seconds: float


class Speedometer:
    """The latest batches of each worker that is at work.

    Each worker has a speed of its own, from the start of its first batch in the window to the end
    of its last one, so that nothing jumps when one of many workers finishes a batch, or all of them
    at once. A batch in work does not slow its worker down before it takes longer than any in the
    window.
    """

    def __init__(self) -> None:
        self.workers: dict[str, deque[FinishedBatch]] = {}

    def clear(self) -> None:
        self.workers.clear()

    def add(self, worker: str, batch: FinishedBatch) -> None:
        self.workers.setdefault(worker, deque()).append(batch)

    def keep(self, workers: Sequence[str]) -> None:
        """Forget all workers but these: the others have ended."""
        self.workers = {name: self.workers[name] for name in workers if name in self.workers}

    def images_per_second(self, now: float) -> float | None:
        """Of all workers together; None before a batch is finished."""
        self._forget(now)
        return sum(_speed(batches, now) for batches in self.workers.values()) or None

    def seconds_left(self, left: int, now: float) -> Range | None:
        """The time that `left` requests take; its range as far as batches differ in theirs.

        What the workers have probably made of their present batches counts as done: between two
        batches, the time that is left goes down as time goes by.

        Returns:
            None before `MIN_BATCHES` are finished.
        """
        if left <= 0:
            return Range(0.0, 0.0, 0.0)
        speed, batches = self.images_per_second(now), [*self._batches()]
        if speed is None or len(batches) < MIN_BATCHES:
            return None
        each = [batch.seconds / batch.requests for batch in batches]
        mean_size = sum(batch.requests for batch in batches) / len(batches)
        limits = request_seconds(each, max(1, round(left / mean_size)))
        in_work = sum(_in_work(of_worker, now) for of_worker in self.workers.values())
        return limits.times(max(0.0, left - in_work) / speed / limits.middle)

    def _forget(self, now: float) -> None:
        """Forget batches that are older than the window, as long as enough are left."""
        enough = math.ceil(WINDOW_BATCHES / max(1, len(self.workers)))
        for batches in self.workers.values():
            kept = max(MIN_OF_WORKER, enough)
            while len(batches) > kept and batches[0].at < now - WINDOW_SECONDS:
                batches.popleft()

    def _batches(self) -> Iterator[FinishedBatch]:
        for batches in self.workers.values():
            yield from batches


def _speed(batches: Sequence[FinishedBatch], now: float) -> float:
    """Images a second of one worker, with its pauses between batches."""
    first, last = batches[0], batches[-1]
    longest = max(batch.seconds for batch in batches)
    overdue = max(0.0, now - last.at - longest)
    seconds = last.at - (first.at - first.seconds) + overdue
    return sum(batch.requests for batch in batches) / max(1e-9, seconds)


def _in_work(batches: Sequence[FinishedBatch], now: float) -> float:
    """How many images one worker has probably made since its last batch: at most a usual batch."""
    usual = sum(batch.requests for batch in batches) / len(batches)
    return min(usual, _speed(batches, now) * max(0.0, now - batches[-1].at))
