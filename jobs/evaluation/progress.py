"""How far an evaluation has come, and how long it still takes."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from jobs.evaluation.arms.models import Arm
from jobs.evaluation.kept import Batch
from pipeline.forecast.forecast import duration

INTERVAL_SECONDS = 20.0
"""Between two lines."""


@dataclass(frozen=True)
class Work:
    """Cases that take equally long: those of an arm in one setting, and of one task.

    Attributes:
        images: decoded for each case.
    """

    arm: str
    task: str
    images: int = 1

    @classmethod
    def of(cls, arm: Arm, task: str) -> Work:
        return cls(arm.name, task, arm.images)


@dataclass
class Spent:
    """Cases that are made, and the seconds that they took."""

    cases: int = 0
    seconds: float = 0.0


def seconds_left(ahead: Mapping[Work, int], spent: Mapping[Work, Spent]) -> float | None:
    """The time for the cases that are ahead; None before any is made.

    What has not been made yet is taken to be as fast as the same arm in another task, or else as
    all arms together, by their decoded images.
    """
    images = sum(work.images * done.cases for work, done in spent.items())
    if not images:
        return None
    typical = sum(done.seconds for done in spent.values()) / images
    by_arm: dict[str, Spent] = {}
    for work, done in spent.items():
        total = by_arm.setdefault(work.arm, Spent())
        total.cases, total.seconds = total.cases + done.cases, total.seconds + done.seconds
    left = 0.0
    for work, cases in ahead.items():
        known = spent.get(work) or by_arm.get(work.arm)
        left += cases * (known.seconds / known.cases if known else typical * work.images)
    return left


@dataclass
class Progress:
    """Lines such as `words x1, generation 96/512, about 3.1 h left` on the standard error.

    Attributes:
        ahead: cases still to be made.
        spent: those that are made, with those of earlier sessions.
    """

    ahead: Counter[Work] = field(default_factory=Counter)
    spent: dict[Work, Spent] = field(default_factory=dict)
    _shown: float = field(default_factory=time.monotonic)

    def replan(self, before: Counter[Work], after: Counter[Work]) -> None:
        """Expect `after` where `before` was expected."""
        self.ahead = self.ahead - before + after

    def add(self, work: Work, batch: Batch, done: int, total: int) -> None:
        """Count a batch.

        Args:
            done, total: the cases of this arm and task so far, and all of them.
        """
        spent, cases = self.spent.setdefault(work, Spent()), len(batch.samples)
        spent.cases, spent.seconds = spent.cases + cases, spent.seconds + batch.seconds
        self.ahead -= Counter({work: cases})
        now = time.monotonic()
        if not batch.is_earlier and now - self._shown >= INTERVAL_SECONDS:
            self._shown = now
            print(self.line(work, done, total), file=sys.stderr, flush=True)

    def line(self, work: Work, done: int, total: int) -> str:
        """How far one arm and task has come, and the time that everything together still takes."""
        left = seconds_left(self.ahead, self.spent)
        time_left = "" if left is None else f", about {duration(left)} left"
        return f"{work.arm}, {work.task} {done}/{total}{time_left}"
