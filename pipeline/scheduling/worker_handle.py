"""A worker as the pool knows it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from pipeline.generation.worker import Placement
from pipeline.output.packing import PackTask
from pipeline.scheduling.bisection import Task


class WorkerState(Enum):
    """What a worker is doing, and so what its next event means."""

    PLACING = "waits for its resources"
    LOADING = "loads its models"
    IDLE = "waits for a task"
    BUSY = "makes a batch, or packs a shard"
    PROBING = "was unreachable, and is probed"


@dataclass
class WorkerHandle:
    """A worker as the pool knows it.

    Attributes:
        number: as the executor knows it.
        placement: where it runs, once it has a process.
        task: what it is working on; while it is PROBING, what it was working on.
        deadline: on the pool's clock, when it is taken to hang; None without a limit.
    """

    number: int
    state: WorkerState = WorkerState.PLACING
    placement: Placement | None = None
    task: Task | PackTask | None = None
    deadline: float | None = None
