"""Which worker does which task, and what happens when one dies, hangs or cannot start.

A worker has one task in flight and attempts are counted here, so that its death costs only the
batch that it held.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict
from typing import Any

from pipeline.config import Config
from pipeline.errors import NoWorkerStarted, RunStopped
from pipeline.generation.worker import Placement, Ready
from pipeline.output.batches import Report
from pipeline.output.packing import Packed, PackTask
from pipeline.planning.plan import Batch
from pipeline.scheduling.bisection import Task
from pipeline.scheduling.executors.executor import Event, Executor, Outcome
from pipeline.scheduling.stop_rules import StopRules
from pipeline.scheduling.task_queue import TaskQueue
from pipeline.scheduling.worker_handle import WorkerHandle, WorkerState

LONG_START_SECONDS = 300.0
"""What is proposed as `worker_start_timeout_s` where workers start slowly."""

HELD_FACTOR = 5
"""How many times `worker_start_timeout_s` workers may take that have their resources."""

HELD_SECONDS = 5.0
"""From when on it is asked whether workers without a process have their resources."""

TICK_SECONDS = 1.0
"""How often the loop wakes without an event, to find workers that hang."""


class Pool:
    """The workers of a run, the tasks that they hold, and the tasks that are to be tried again."""

    def __init__(
        self,
        executor: Executor,
        config: Config,
        size: int,
        on_event: Callable[[Mapping[str, Any]], None],
        clock: Callable[[], float] = time.monotonic,
    ):
        """
        Args:
            size: workers to start.
            on_event: is called, for the log, when workers got their resources or one has been
                placed, is ready, or has ended.
            clock: seconds, for the deadlines.
        """
        self.executor, self.config, self.on_event, self.clock = executor, config, on_event, clock
        self.rules = StopRules(size)
        self.queue = TaskQueue()
        self.workers: dict[int, WorkerHandle] = {}
        self.unplaced_since, self.held = clock(), 0
        for _ in range(size):
            self._start_worker()

    def run(
        self,
        batches: Iterator[Batch],
        on_result: Callable[[Report | Packed], None],
        on_tick: Callable[[], None],
    ) -> None:
        """Work off all batches.

        Args:
            on_result: is called for each batch whose results are durable, and each packed shard.
            on_tick: is called about once a second, and may raise to end the run.

        Raises:
            RunStopped: no worker can be started, all die, or results cannot be stored; with the
                cause.
        """
        while True:
            self.assign_idle(batches)
            if self.is_finished():
                return
            events = self.executor.wait(TICK_SECONDS)
            on_tick()
            self.handle(events, on_result)

    def assign_idle(self, batches: Iterator[Batch]) -> None:
        """Give every idle worker a task, as far as there are any."""
        for worker in [*self.workers.values()]:
            if worker.state is WorkerState.IDLE:
                self.assign(worker, batches)

    def is_finished(self) -> bool:
        """Whether nothing is in work and nothing is left to be done."""
        in_work = any(worker.task for worker in self.workers.values())
        return self.rules.ever_started and not (self.queue or in_work)

    def handle(self, events: Iterable[Event], on_result: Callable[[Report | Packed], None]) -> None:
        """Act on events of the executor, and on what the clock says."""
        for event in events:
            self._on_event(event, on_result)
        self._kill_hanging()
        self._check_placement()

    def add_pack(self, task: PackTask) -> None:
        """Have a shard packed, before any further batch is made: batch files wait for it."""
        self.queue.add_pack(task)

    def assign(self, worker: WorkerHandle, batches: Iterator[Batch]) -> None:
        """Give an idle worker a task.

        If there are no more, it is let go, but for the last one, which may have to pack.
        """
        task = self.queue.next_task(batches, self.rules.prefers_other_batches())
        if task is None:
            if len(self.workers) > 1:
                del self.workers[worker.number]
                self.executor.release(worker.number)
        else:
            worker.task = task
            self.executor.submit(worker.number, task)
            self._set_state(worker, WorkerState.BUSY, self._time_limit(task))

    def on_result(self, worker: WorkerHandle) -> None:
        """The worker finished its task."""
        self.rules.on_started()
        self.rules.on_finished()
        self.queue.on_result(worker.task)
        worker.task = None
        self._set_state(worker, WorkerState.IDLE)

    def on_death(self, worker: WorkerHandle, cause: str, preempted: bool = False) -> None:
        """The worker is gone. Its task is charged with that, unless its node went as well."""
        self.workers.pop(worker.number, None)
        self._log_end(worker, cause)
        node_is_lost = worker.placement is not None and not self.executor.is_alive(worker.placement)
        if worker.task is None:
            self._on_failed_start(cause, may_retry=True, is_charged=not node_is_lost)
            return
        self.unplaced_since = self.clock()
        if preempted or node_is_lost:
            self.queue.requeue(worker.task)
        elif isinstance(worker.task, PackTask):
            if not self.queue.on_pack_death(worker.task):
                shard = worker.task.spec.number
                raise RunStopped(f"shard {shard} could not be packed: its workers died; {cause}")
        else:
            self.rules.on_death(worker.task.batch.number)
            if self.rules.must_stop():
                raise RunStopped(
                    f"{len(self.rules.deaths)} workers died one after another and none finished "
                    f"anything; the last: {cause}"
                )
            self.queue.on_death(worker.task)
        self._start_worker()

    def check_reachable(self, worker: WorkerHandle) -> None:
        """The connection to the worker broke: ask whether it lives.

        If it does, its last call is made again.
        """
        self.executor.locate_worker(worker.number)
        self._set_state(worker, WorkerState.PROBING, self._time_limit(worker.task))

    def _on_event(self, event: Event, on_result: Callable[[Report | Packed], None]) -> None:
        worker = self.workers[event.worker]
        if event.outcome is Outcome.RETURNED:
            self._on_returned(worker, event.value)
            if isinstance(event.value, (Report, Packed)):
                on_result(event.value)
        elif event.outcome is Outcome.RAISED:
            self._on_raised(worker, event.cause)
        elif event.outcome is Outcome.UNREACHABLE:
            self.check_reachable(worker)
        elif event.outcome is Outcome.DISK_FULL:
            raise RunStopped(event.cause)
        else:
            self.on_death(worker, event.cause, event.outcome is Outcome.PREEMPTED)

    def _on_returned(
        self, worker: WorkerHandle, value: Placement | Ready | Report | Packed | None
    ) -> None:
        """A call came back."""
        if isinstance(value, Placement):
            self._on_placed(worker, value)
        elif isinstance(value, Ready):
            self.rules.on_started()
            self.on_event({"event": "ready", **asdict(value)})
            self._set_state(worker, WorkerState.IDLE)
        else:
            self.on_result(worker)

    def _on_placed(self, worker: WorkerHandle, placement: Placement) -> None:
        """The worker has a process, or has proved that it still has one."""
        if worker.task is not None:
            # It lives, but the result of its task is lost.
            self.queue.requeue(worker.task)
            worker.task = None
            self._set_state(worker, WorkerState.IDLE)
            return
        worker.placement, self.unplaced_since = placement, self.clock()
        self.on_event({"event": "placed", "pid": placement.pid})
        self.executor.load_models(worker.number)
        limit = self._time_limit(None)
        at_least = self.config.worker_start_timeout_s
        self._set_state(worker, WorkerState.LOADING, limit and max(limit, at_least))

    def _on_raised(self, worker: WorkerHandle, cause: str) -> None:
        """A call raised; not for a request's sake, since those errors end as failed requests."""
        if isinstance(worker.task, PackTask):
            raise RunStopped(f"shard {worker.task.spec.number} could not be packed: {cause}")
        if worker.task is not None:
            number = worker.task.batch.number
            raise RunStopped(f"batch {number} could not be stored: {cause}")
        del self.workers[worker.number]
        self._log_end(worker, cause)
        self.executor.release(worker.number)
        self._on_failed_start(cause, may_retry=False)

    def _on_failed_start(self, cause: str, may_retry: bool, is_charged: bool = True) -> None:
        """A worker ended before it had its models. Without any other worker, the run ends."""
        if is_charged:
            self.rules.on_failed_start()
        if not is_charged or (may_retry and self.rules.may_start_another()):
            self._start_worker()
        elif not self.workers:
            # A death may have had its cause elsewhere; what loading raises, it raises again.
            stopped = RunStopped if may_retry else NoWorkerStarted
            raise stopped(f"no worker could be started: {cause}")

    def _start_worker(self) -> None:
        number = self.executor.start_worker()
        self.workers[number] = WorkerHandle(number)

    def _set_state(
        self, worker: WorkerHandle, state: WorkerState, limit_s: float | None = None
    ) -> None:
        worker.state = state
        worker.deadline = self.clock() + limit_s if limit_s else None

    def _time_limit(self, task: Task | PackTask | None) -> float | None:
        """Seconds for the requests of a task, or the batches of a shard; None without a limit."""
        requests = len(task.keys) if isinstance(task, Task) else len(task.files) if task else 1
        return self.config.request_timeout_s * max(1, requests) or None

    def _log_end(self, worker: WorkerHandle, cause: str) -> None:
        pid = worker.placement and worker.placement.pid
        entry: dict[str, Any] = {"event": "ended", "pid": pid, "cause": cause}
        if isinstance(worker.task, PackTask):
            entry |= {"packed": worker.task.spec.number}
        elif worker.task is not None:
            entry |= {"held": worker.task.batch.number, "requests": len(worker.task.keys)}
        self.on_event(entry)

    def _kill_hanging(self) -> None:
        limit = f"{self.config.request_timeout_s:g} s a request (request_timeout_s)"
        for worker in [*self.workers.values()]:
            if worker.deadline is not None and self.clock() > worker.deadline:
                self.executor.kill(worker.number)
                self.on_death(worker, f"it took longer than {limit}")

    def _check_placement(self) -> None:
        """Stop if no worker gets its resources: Ray would wait for them for ever."""
        now, limit_s = self.clock(), self.config.worker_start_timeout_s
        if any(worker.placement for worker in self.workers.values()):
            self.unplaced_since, self.held = now, 0
            return
        waited_s = now - self.unplaced_since
        if not self.workers or waited_s <= min(limit_s, HELD_SECONDS):
            return
        # Workers that hold the CPUs are not waited for in vain: their processes are slow to start.
        if (held := self.executor.holding()) != self.held:
            self.held = held
            self.on_event({"event": "held", "workers": held})
        if waited_s > limit_s * (HELD_FACTOR if held else 1):
            raise RunStopped(self._slow_start() if held else self._no_place())

    def _no_place(self) -> str:
        limit_s = self.config.worker_start_timeout_s
        longer_s = max(LONG_START_SECONDS, 2 * limit_s)
        return (
            f"no worker was placed within {limit_s:g} s (worker_start_timeout_s): "
            f"{self.executor.describe_resources()}; free resources, add nodes, or ask for "
            f"less; on a busy machine --set worker_start_timeout_s={longer_s:g} waits longer"
        )

    def _slow_start(self) -> str:
        limit_s = self.config.worker_start_timeout_s
        return (
            f"{self.held} worker(s) have their resources, but none has loaded its code within "
            f"{HELD_FACTOR * limit_s:g} s ({HELD_FACTOR} times worker_start_timeout_s): their "
            "machine is busy, or its disk slow; end other work there, start fewer --workers, or "
            f"wait longer with --set worker_start_timeout_s={HELD_FACTOR * limit_s:g}"
        )
