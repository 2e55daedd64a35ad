"""What is done with a batch that kills its workers: retry, bisect, leave out the poison. Pure.

A probe makes part of a batch only to see whether it kills; its results are thrown away. What is
stored is then made from all that are left at once, so that a batch whose workers died by chance
comes out with the same bytes as if none had.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from pipeline.planning.plan import Batch

MAX_DEATHS = 3
"""Deaths of the same task, at which it is no longer simply tried again."""

KILLED = "killed its worker"
"""Why a request failed that no worker survived. Shards hold it, so it has no counts or times."""


@dataclass(frozen=True)
class Task:
    """What one worker does with a batch.

    Attributes:
        poison: keys of requests that are not made any more, but end as failed.
        piece: how many requests may be made together; 0 for the whole batch.
        probe: keys; if there are any, only these are made, and nothing is stored.
    """

    batch: Batch
    poison: frozenset[str] = frozenset()
    piece: int = 0
    probe: tuple[str, ...] = ()

    @property
    def keys(self) -> tuple[str, ...]:
        """Keys of the requests that this task makes."""
        if self.probe:
            return self.probe
        return tuple(
            request.key for request in self.batch.requests if request.key not in self.poison
        )


@dataclass
class _Case:
    """What is known of a batch that has killed a worker."""

    deaths: int = 0
    probed: bool = False
    suspects: list[tuple[str, ...]] = field(default_factory=list)
    poison: set[str] = field(default_factory=set)


class Attempts:
    """The batches that have killed a worker, and what is done with each of them next."""

    def __init__(self) -> None:
        self._cases: dict[int, _Case] = {}

    def survived(self, task: Task) -> Task | None:
        """The task that follows one that came back; None if its batch is finished."""
        if not task.probe:
            self._cases.pop(task.batch.number, None)
            return None
        case = self._cases[task.batch.number]
        case.deaths = 0
        return _after_probe(task, case)

    def died(self, task: Task) -> Task:
        """The task that follows one whose worker died.

        Every batch ends, if need be with all its requests failed.
        """
        case = self._cases.setdefault(task.batch.number, _Case())
        case.deaths += 1
        # Splitting a group fails no request, so one death is enough for it. A lone request gets
        # every chance.
        if len(task.probe) > 1:
            case.suspects += _halves(task.probe)
        elif case.deaths < MAX_DEATHS:
            return task
        elif task.probe:
            case.poison.update(task.probe)
        elif len(task.keys) == 1 or task.piece == 1:
            case.poison.update(task.keys)
        elif not case.probed:
            case.probed = True
            case.suspects += _halves(task.keys)
        else:
            # No single request kills, but all together do (the machine's memory, for one): make
            # fewer at once.
            case.deaths = 0
            return replace(task, piece=-(-(task.piece or len(task.keys)) // 2))
        case.deaths = 0
        return _after_probe(task, case)


def _after_probe(task: Task, case: _Case) -> Task:
    """The next probe, or the batch without its poison once there is no suspect left."""
    if case.suspects:
        return replace(task, probe=case.suspects.pop())
    return replace(task, probe=(), poison=frozenset(case.poison))


def _halves(keys: Sequence[str]) -> list[tuple[str, ...]]:
    """Both halves, the first one last: suspects are taken from the end."""
    middle = -(-len(keys) // 2)
    return [tuple(keys[middle:]), tuple(keys[:middle])]
