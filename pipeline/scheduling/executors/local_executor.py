"""Workers within the driver's process: for debugging and for tests. It needs no Ray."""

from __future__ import annotations

import itertools
import os
import random
from collections.abc import Callable

from pipeline.generation.worker import BatchWorker, Job, Placement, Ready
from pipeline.output.batches import Report
from pipeline.output.packing import Packed, PackTask
from pipeline.scheduling.bisection import Task
from pipeline.scheduling.executors.executor import Event, Outcome, cause_of

Call = Callable[[], "Placement | Ready | Report | Packed | None"]
"""A call to a worker that has not been made yet."""


class WorkerFault(BaseException):
    """Raised within a call, it ends that call in another way than by a result. For tests.

    No `Exception`: code that handles a request's errors must not handle its worker's death.

    Args:
        outcome: how the call ends; None for never.
    """

    def __init__(self, outcome: Outcome | None = Outcome.DIED):
        super().__init__(f"injected: {outcome.value if outcome else 'hangs'}")
        self.outcome = outcome


class LocalExecutor:
    """Makes one call at a time, in this process, for any number of virtual workers.

    Args:
        workers: how many virtual workers there are.
        seed: of the order in which calls are made; None for that in which they were submitted.
        before_task, before_pack: are called with each task before it is done, and may raise
            `WorkerFault`.
    """

    def __init__(
        self,
        workers: int = 1,
        seed: int | None = None,
        before_task: Callable[[Task], None] = lambda task: None,
        before_pack: Callable[[PackTask], None] = lambda task: None,
    ):
        self.size, self.before_task, self.before_pack = workers, before_task, before_pack
        self.order = random.Random(seed) if seed is not None else None
        self.numbers = itertools.count()
        self.workers: dict[int, BatchWorker] = {}
        self.calls: dict[int, Call] = {}

    def connect(self, job: Job) -> int:
        self.job = job
        return self.size

    def start_worker(self) -> int:
        worker = next(self.numbers)
        self.workers[worker] = BatchWorker(self.job)
        self.locate_worker(worker)
        return worker

    def load_models(self, worker: int) -> None:
        on_gpu = self.job.config.gpus_per_worker != 0
        self.calls[worker] = lambda: self.workers[worker].load_models(on_gpu)

    def submit(self, worker: int, task: Task | PackTask) -> None:
        def run() -> Report | Packed | None:
            if isinstance(task, PackTask):
                self.before_pack(task)
            else:
                self.before_task(task)
            return self.workers[worker].run(task)

        self.calls[worker] = run

    def locate_worker(self, worker: int) -> None:
        self.calls[worker] = lambda: Placement("local", os.getpid())

    def wait(self, timeout_s: float) -> list[Event]:
        """Makes one of the calls, in this process; it takes as long as that takes."""
        waiting = [*self.calls]
        if not waiting:
            return []
        worker = self.order.choice(waiting) if self.order else waiting[0]
        call = self.calls.pop(worker)
        try:
            return [Event(worker, Outcome.RETURNED, call())]
        except WorkerFault as fault:
            if fault.outcome is None:
                self.calls[worker] = call
                return []
            if fault.outcome in (Outcome.DIED, Outcome.PREEMPTED):
                del self.workers[worker]
            return [Event(worker, fault.outcome, cause=str(fault))]
        except Exception as error:
            return [Event(worker, Outcome.RAISED, cause=cause_of(error))]

    def kill(self, worker: int) -> None:
        self.calls.pop(worker, None)
        del self.workers[worker]

    release = kill

    def is_alive(self, placement: Placement) -> bool:
        return True

    def holding(self) -> int:
        return len(self.workers)

    def describe_resources(self) -> str:
        return "workers run in this process"

    def close(self) -> None:
        self.calls, self.workers = {}, {}
