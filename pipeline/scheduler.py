"""The driver's loop: which worker does which batch, what happens when one dies.

One task in flight per actor, attempts counted here: an actor's death then costs just the batch that it held.
"""

from __future__ import annotations

import logging
import os
from collections import deque
from collections.abc import Callable, Iterator

import ray
from ray.exceptions import RayActorError, RayTaskError

from pipeline.batches import Report, report, write_batch
from pipeline.errors import RunStopped, UserError
from pipeline.plan import Batch
from pipeline.samples import failed
from pipeline.worker import Job, Worker

MOST_DEATHS = 3
"""Workers that a batch may take with it before its requests are given up."""


def connect(address: str) -> None:
    """Join the Ray cluster at `address`, or start one on this machine."""
    # Ray warns at every start of a change that does not concern a run: it asks GPUs by `num_gpus` alone.
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    local = {"include_dashboard": False} if not address else {}
    try:
        ray.init(address=address or "local", log_to_driver=False, logging_level=logging.ERROR, **local)
    except (ConnectionError, ValueError) as error:
        raise UserError(f"--address {address!r}: no Ray cluster answers there ({error})") from None


def disconnect() -> None:
    ray.shutdown()


def worker_options(job: Job) -> tuple[int, dict[str, float]]:
    """How many workers, and what each asks of Ray.

    Raises:
        UserError: more GPUs asked for a worker than the cluster has.
    """
    gpus, cores = ray.cluster_resources().get("GPU", 0), ray.cluster_resources().get("CPU", 1)
    each = job.config.gpus_per_worker
    if each < 0:
        each = 1.0 if gpus else 0.0
    if each > gpus:
        raise UserError(f"--gpus-per-worker {each:g}: the cluster has {gpus:g} GPU(s); use 0 for the CPU")
    fit = int(gpus / each) if each else int(cores // job.config.threads)
    threads = min(job.config.threads, cores)
    # Asking for a share of a core lets more workers than cores be started when the user says so.
    share = min(threads, cores / max(1, job.config.workers)) if job.config.workers else threads
    return job.config.workers or max(1, fit), {"num_gpus": each, "num_cpus": 0 if each else share}


class Pool:
    """Workers, the batches that they hold, and the batches that have to be done again."""

    def __init__(self, job: Job, size: int, options: dict[str, float]):
        self.job, self.options = job, options
        self.starting: dict[ray.ObjectRef, ray.actor.ActorHandle] = {}
        self.busy: dict[ray.ObjectRef, tuple[ray.actor.ActorHandle, Batch]] = {}
        self.again: deque[Batch] = deque()
        self.deaths: dict[int, int] = {}
        self.failed_starts, self.ever_ready = 0, False
        for _ in range(size):
            self._start()

    def _start(self) -> None:
        actor = Worker.options(**self.options).remote(self.job)  # type: ignore[attr-defined]
        self.starting[actor.ready.remote()] = actor

    def _give(self, actor: ray.actor.ActorHandle, batches: Iterator[Batch]) -> None:
        batch = self.again.popleft() if self.again else next(batches, None)
        if batch is not None:
            self.busy[actor.run.remote(batch)] = (actor, batch)

    def run(self, batches: Iterator[Batch], done: Callable[[Report], None]) -> None:
        """Work off all batches; `done` hears of each once it is durable.

        Raises:
            RunStopped: no worker can be started, with the cause.
        """
        idle: list[ray.actor.ActorHandle] = []
        while True:
            for actor in idle:
                self._give(actor, batches)
            idle = []
            if not self.busy and not self.again and self.ever_ready:
                return
            finished, _ = ray.wait([*self.starting, *self.busy], num_returns=1)
            for reference in finished:
                if reference in self.starting:
                    idle += self._started(reference)
                else:
                    idle += self._finished(reference, done)

    def _started(self, reference: ray.ObjectRef) -> list[ray.actor.ActorHandle]:
        actor = self.starting.pop(reference)
        try:
            ray.get(reference)
        except (RayActorError, RayTaskError) as error:
            self.failed_starts += 1
            if not self.starting and not self.busy:
                raise RunStopped(f"no worker could be started: {cause_of(error)}") from None
            if self.ever_ready and self.failed_starts < MOST_DEATHS:
                self._start()
            return []
        self.ever_ready, self.failed_starts = True, 0
        return [actor]

    def _finished(self, reference: ray.ObjectRef, done: Callable[[Report], None]) -> list[ray.actor.ActorHandle]:
        actor, batch = self.busy.pop(reference)
        try:
            done(ray.get(reference))
            return [actor]
        except RayTaskError as error:
            # The method's own errors end as failed requests; what arrives here is the disk or the driver's code.
            raise RunStopped(f"batch {batch.number} could not be stored: {cause_of(error)}") from None
        except RayActorError as error:
            if not getattr(error, "preempted", False):
                self.deaths[batch.number] = self.deaths.get(batch.number, 0) + 1
        self._start()
        if self.deaths.get(batch.number, 0) < MOST_DEATHS:
            self.again.append(batch)
        else:
            reason = f"killed its worker {MOST_DEATHS} times"
            results = [failed(request, batch.number, self.job.shared, reason) for request in batch.requests]
            write_batch(self.job.output, batch.number, results, self.job.schema)
            done(report(batch.number, results))
        return []


def cause_of(error: Exception) -> str:
    """The last line of what a worker threw."""
    lines = [line for line in str(getattr(error, "cause", None) or error).splitlines() if line.strip()]
    return lines[-1].strip() if lines else type(error).__name__
