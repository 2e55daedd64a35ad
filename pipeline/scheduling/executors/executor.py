"""What the scheduling loop needs of whatever runs its workers, be it Ray or this process."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from pipeline.errors import one_line
from pipeline.generation.worker import Job, Placement, Ready
from pipeline.output.batches import Report
from pipeline.output.packing import Packed, PackTask
from pipeline.scheduling.bisection import Task


class Outcome(Enum):
    """How a call to a worker ended."""

    RETURNED = "returned"
    RAISED = "raised"
    """The call raised an exception; the worker lives on."""
    DIED = "died"
    PREEMPTED = "preempted"
    """The worker died because its node was taken away, not because of its task."""
    UNREACHABLE = "unreachable"
    """The connection broke. The worker may live or not; the result of its call is lost."""
    DISK_FULL = "disk full"
    """No worker can go on: the executor itself has no disk space left."""


@dataclass(frozen=True)
class Event:
    """The end of a call to a worker.

    Attributes:
        worker: the number that `start_worker` gave.
        value: what the call returned, if it did.
        cause: one line, if it did not.
    """

    worker: int
    outcome: Outcome
    value: Placement | Ready | Report | Packed | None = None
    cause: str = ""


class Executor(Protocol):
    """Starts workers, passes calls to them, and reports how the calls ended.

    A worker has one call in flight. The first is made by `start_worker`, and returns the worker's
    `Placement` once it has a process. The others are `load_models`, `submit` and `locate_worker`.
    A worker that died is forgotten.
    """

    def connect(self, job: Job) -> int:
        """Get ready to start workers for this job; returns how many workers it should have.

        Raises:
            UserError: what the settings ask for does not exist.
            RunStopped: the executor does not start.
        """
        ...

    def start_worker(self) -> int:
        """Start a worker; returns its number.

        It may wait for its resources for as long as it takes.
        """
        ...

    def load_models(self, worker: int) -> None:
        """Have the worker load its models; returns `Ready`."""
        ...

    def submit(self, worker: int, task: Task | PackTask) -> None:
        """Have the worker make a batch or pack a shard; returns `Report` or `Packed`.

        A probe returns None.
        """
        ...

    def locate_worker(self, worker: int) -> None:
        """Ask an unreachable worker for its `Placement`; an event says if it is dead."""
        ...

    def wait(self, timeout_s: float) -> list[Event]:
        """The calls that have ended since the last time; none if the timeout passes first."""
        ...

    def kill(self, worker: int) -> None:
        """End a worker at once; no event reports it."""
        ...

    def release(self, worker: int) -> None:
        """Let an idle worker go."""
        ...

    def is_alive(self, placement: Placement) -> bool:
        """Whether the node of a worker is still up."""
        ...

    def holding(self) -> int:
        """How many of its workers hold what they asked for, also while their processes start."""
        ...

    def describe_resources(self) -> str:
        """What a worker asks for and what is free, for a message to the user."""
        ...

    def close(self) -> None:
        """End all workers. `connect` may follow."""
        ...


def cause_of(error: BaseException) -> str:
    """Why a call failed, in one line: what its own error says, which Ray wraps in another."""
    wrapped = getattr(error, "cause", None)
    if isinstance(wrapped, BaseException):
        return one_line(wrapped)
    if not type(error).__module__.startswith("ray"):
        return one_line(error)
    # Ray's own messages begin with names and numbers, and those of errors that it cannot wrap with
    # a traceback. Their last line says what happened.
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
