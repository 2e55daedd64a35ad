"""The tasks of a run that wait for a worker, in the order in which they are done."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator

from pipeline.output.packing import PackTask
from pipeline.planning.plan import Batch
from pipeline.scheduling.bisection import MAX_DEATHS, Attempts, Task


class TaskQueue:
    """Shards to be packed, tasks to be tried again, and what killed the workers that held them.

    Attributes:
        requeued: tasks of batches that are to be made again.
        packs: shards whose batches are all made.
    """

    def __init__(self) -> None:
        self.requeued: deque[Task] = deque()
        self.packs: deque[PackTask] = deque()
        self._attempts = Attempts()
        self._pack_deaths: Counter[int] = Counter()

    def __bool__(self) -> bool:
        return bool(self.requeued or self.packs)

    def next_task(
        self, batches: Iterator[Batch], prefers_other_batches: bool
    ) -> Task | PackTask | None:
        """What is to be done next; None if there is nothing left.

        Args:
            batches: of the plan, from which new tasks are made.
            prefers_other_batches: whether new batches come before those that are tried again.
        """
        # Packing comes first: the batch files take up space until it is done.
        if self.packs:
            return self.packs.popleft()
        if not self.requeued or prefers_other_batches:
            fresh = next(batches, None)
            if fresh is not None:
                return Task(fresh)
        if self.requeued:
            return self.requeued.popleft()
        # The batches that were skipped on the way may have filled a shard.
        return self.packs.popleft() if self.packs else None

    def add_pack(self, task: PackTask) -> None:
        """Have a shard packed after those that wait already."""
        self.packs.append(task)

    def requeue(self, task: Task | PackTask | None) -> None:
        """Have a task done before anything else: its batch holds up the shards behind it."""
        if isinstance(task, PackTask):
            self.packs.appendleft(task)
        elif task is not None:
            self.requeued.appendleft(task)

    def on_result(self, task: Task | PackTask | None) -> None:
        """The task came back; a probe is followed by another task of its batch."""
        if isinstance(task, Task):
            self.requeue(self._attempts.survived(task))

    def on_death(self, task: Task) -> None:
        """The task's worker died: what is done with its batch next comes first."""
        self.requeue(self._attempts.died(task))

    def on_pack_death(self, task: PackTask) -> bool:
        """A worker died while it packed: it is tried again, unless this happened too often.

        Returns:
            Whether it is tried again.
        """
        shard = task.spec.number
        self._pack_deaths[shard] += 1
        may_retry = self._pack_deaths[shard] < MAX_DEATHS
        if may_retry:
            self.requeue(task)
        return may_retry
