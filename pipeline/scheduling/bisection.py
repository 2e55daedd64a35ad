"""What becomes of a batch that kills its workers: again, then bisected, then made without the guilty. Pure.

A probe only looks for the guilty; its results are thrown away. What is stored is then made from all that are left at
once, so that a batch whose workers died by chance comes out with the same bytes as if none had.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from pipeline.planning.plan import Batch

MOST_DEATHS = 3
"""Workers that the same work may take with it before it is not simply tried again."""

KILLED = "killed its worker"
"""Why a request failed that no worker survived. No counts or times: it goes into the shards."""


@dataclass(frozen=True)
class Task:
    """What one worker is told to do with a batch.

    Attributes:
        poison: keys of requests that are not touched any more, but end as failed.
        piece: requests drawn together at most; 0 for the whole batch.
        probe: keys; if any, just these are made, and nothing is stored.
    """

    batch: Batch
    poison: frozenset[str] = frozenset()
    piece: int = 0
    probe: tuple[str, ...] = ()

    @property
    def keys(self) -> tuple[str, ...]:
        """The requests that this task computes."""
        if self.probe:
            return self.probe
        return tuple(
            request.key for request in self.batch.requests if request.key not in self.poison
        )


@dataclass
class _Case:
    """What is known of a batch that has killed."""

    deaths: int = 0
    probed: bool = False
    suspects: list[tuple[str, ...]] = field(default_factory=list)
    poison: set[str] = field(default_factory=set)


class Attempts:
    """Hears how tasks end, and says what is to be done next with their batches."""

    def __init__(self) -> None:
        self._cases: dict[int, _Case] = {}

    def survived(self, task: Task) -> Task | None:
        """The task came back: what follows, or None when the batch is finished."""
        if not task.probe:
            self._cases.pop(task.batch.number, None)
            return None
        case = self._cases[task.batch.number]
        case.deaths = 0
        return _after_probe(task, case)

    def died(self, task: Task) -> Task:
        """The task took its worker with it: what follows. Every batch ends, if need be with all its requests failed."""
        case = self._cases.setdefault(task.batch.number, _Case())
        case.deaths += 1
        # A group that is split is not judged by it, so that one death is enough; a lone request is given every chance.
        if len(task.probe) > 1:
            case.suspects += _halves(task.probe)
        elif case.deaths < MOST_DEATHS:
            return task
        elif task.probe:
            case.poison.update(task.probe)
        elif len(task.keys) == 1 or task.piece == 1:
            case.poison.update(task.keys)
        elif not case.probed:
            case.probed = True
            case.suspects += _halves(task.keys)
        else:
            # Each is harmless alone, all together are not (the memory of the machine, for one): fewer at once.
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
    """The second half, and the first on top."""
    middle = -(-len(keys) // 2)
    return [tuple(keys[middle:]), tuple(keys[:middle])]
