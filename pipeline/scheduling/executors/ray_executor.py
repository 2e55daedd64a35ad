"""Workers as Ray actors, on this machine or a cluster. Nothing else in the project imports Ray."""

from __future__ import annotations

import itertools
import logging
import os
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import ActorUnavailableError, OutOfDiskError, RayError, RayTaskError
from ray.job_config import JobConfig

from pipeline.config import Config
from pipeline.errors import RunStopped, UserError
from pipeline.generation.worker import BatchWorker, Job, Placement, Ready
from pipeline.output.batches import Report
from pipeline.output.packing import Packed, PackTask
from pipeline.planning.checks.placement import labels_of
from pipeline.scheduling.bisection import Task
from pipeline.scheduling.deferred_signals import deferred_signals
from pipeline.scheduling.executors.authentication import REMEDY, token_problem
from pipeline.scheduling.executors.executor import Event, Outcome, cause_of
from pipeline.scheduling.executors.ray_metrics import WorkerMetrics
from pipeline.watch.log_output import logger

MAX_CONNECTS, CONNECT_PAUSE_S = 3, 5.0
"""Attempts to join a cluster, and the seconds between them; one that took longer is the last."""

SOCKET_TIMEOUT_S = 20.0
"""How long a head node may take to accept a connection."""


@ray.remote(max_restarts=0, max_task_retries=0)
class Worker:
    """One process with the models loaded."""

    def __init__(self, job: Job):
        self.worker, self.metrics = BatchWorker(job), WorkerMetrics()

    def locate(self) -> Placement:
        """Returns once Ray has found a place for this worker. Nothing is loaded by then."""
        return Placement(ray.get_runtime_context().get_node_id(), os.getpid())

    def load_models(self) -> Ready:
        return self.worker.load_models(on_gpu=bool(ray.get_gpu_ids()))

    def run(self, task: Task | PackTask) -> Report | Packed | None:
        result = self.worker.run(task)
        if isinstance(result, Report):
            self.metrics.add(result)
        return result


@dataclass(frozen=True)
class WorkerOptions:
    """What each worker asks Ray for.

    Attributes:
        label_selector: Ray labels of the nodes it may run on.
    """

    num_gpus: float
    num_cpus: float
    label_selector: dict[str, str]

    def as_ray(self) -> dict[str, Any]:
        """As keyword arguments of `.options()`."""
        options: dict[str, Any] = {"num_gpus": self.num_gpus, "num_cpus": self.num_cpus}
        if self.label_selector:
            options["label_selector"] = self.label_selector
        return options


class RayExecutor:
    """Each worker is an actor, and each call to it is a task of that actor."""

    def __init__(self) -> None:
        self.numbers = itertools.count()
        self.actors: dict[int, ray.actor.ActorHandle] = {}
        self.calls: dict[ray.ObjectRef, int] = {}
        """The worker of each call in flight."""

    def connect(self, job: Job) -> int:
        connect(job.config.address)
        self.job = job
        workers, self.options = worker_options(job.config)
        # In a cluster of its own, nobody else has taken anything.
        self.taken_before = taken_resources() if job.config.address else {}
        return workers

    def start_worker(self) -> int:
        worker = next(self.numbers)
        self.actors[worker] = Worker.options(**self.options.as_ray()).remote(self.job)  # type: ignore[attr-defined]
        self.locate_worker(worker)
        return worker

    def load_models(self, worker: int) -> None:
        self.calls[self.actors[worker].load_models.remote()] = worker

    def submit(self, worker: int, task: Task | PackTask) -> None:
        self.calls[self.actors[worker].run.remote(task)] = worker

    def locate_worker(self, worker: int) -> None:
        self.calls[self.actors[worker].locate.remote()] = worker

    def wait(self, timeout_s: float) -> list[Event]:
        if not self.calls:
            time.sleep(timeout_s)
            return []
        finished, _ = ray.wait([*self.calls], num_returns=1, timeout=timeout_s)
        return [self._event(reference) for reference in finished]

    def _event(self, reference: ray.ObjectRef) -> Event:
        worker = self.calls.pop(reference)
        try:
            return Event(worker, Outcome.RETURNED, ray.get(reference))
        except RayError as error:
            outcome = _outcome_of(error)
            if outcome in (Outcome.DIED, Outcome.PREEMPTED):
                del self.actors[worker]
            return Event(worker, outcome, cause=cause_of(error))

    def kill(self, worker: int) -> None:
        ray.kill(self.actors[worker])
        self.release(worker)

    def release(self, worker: int) -> None:
        """With its last handle, Ray ends the actor."""
        del self.actors[worker]
        self.calls = {call: of for call, of in self.calls.items() if of != worker}

    def is_alive(self, placement: Placement) -> bool:
        return any(node["NodeID"] == placement.node and node["Alive"] for node in ray.nodes())

    def holding(self) -> int:
        """As far as more is taken than when this run came; Ray does not tell it of an actor."""
        held = held_by_workers(self.options, self.taken_before, taken_resources())
        return min(held, len(self.actors))

    def describe_resources(self) -> str:
        resources = {"gpus": self.options.num_gpus, "cpus": self.options.num_cpus}
        free = ray.available_resources()
        wanted = ", ".join(f"{kind} {amount:g}" for kind, amount in resources.items() if amount)
        left = ", ".join(f"{kind} {free[kind]:g}" for kind in ("CPU", "GPU") if kind in free)
        return f"each worker asks for {wanted or 'nothing'}, free are {left or 'none'}"

    def close(self) -> None:
        self.actors, self.calls = {}, {}
        ray.shutdown()


def taken_resources() -> dict[str, float]:
    """What is taken of the cluster's CPUs and GPUs, by whomever."""
    free, all_of_them = ray.available_resources(), ray.cluster_resources()
    return {kind: all_of_them.get(kind, 0.0) - free.get(kind, 0.0) for kind in ("CPU", "GPU")}


def held_by_workers(
    options: WorkerOptions, before: Mapping[str, float], now: Mapping[str, float]
) -> int:
    """How many workers with these options fit into what was taken since `before`."""
    asked = {"CPU": options.num_cpus, "GPU": options.num_gpus}
    taken = {kind: now.get(kind, 0.0) - before.get(kind, 0.0) for kind in asked}
    # Ray counts in ten-thousandths.
    fitting = [int(taken[kind] / each + 1e-3) for kind, each in asked.items() if each]
    return max(0, min(fitting, default=0))


def _outcome_of(error: RayError) -> Outcome:
    """What an error that Ray throws says of the worker."""
    if isinstance(error, RayTaskError):
        return Outcome.RAISED
    if isinstance(error, OutOfDiskError):
        return Outcome.DISK_FULL
    if isinstance(error, ActorUnavailableError):
        return Outcome.UNREACHABLE
    return Outcome.PREEMPTED if getattr(error, "preempted", False) else Outcome.DIED


def connect(address: str) -> None:
    """Join the Ray cluster at `address`, or start one on this machine.

    Raises:
        UserError: there is no cluster at the address, or none that lets this process in.
        RunStopped: Ray does not start.
    """
    # Ray warns at every start of a change that does not concern a run, which asks for GPUs by
    # `num_gpus` alone.
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    _check_reachable(address)
    logger.info("muse-batch: %s", f"connecting to {address}" if address else "starting Ray here")
    # An interrupt within Ray's start may abort the process; to join a cluster may take minutes. Ray
    # also installs a handler of its own, which would end the process with another exit code.
    with deferred_signals(first_waits=not address):
        _connect(address)


def _connect(address: str) -> None:
    for left in reversed(range(MAX_CONNECTS)):
        began = time.monotonic()
        try:
            _init(address)
            break
        except (ConnectionError, ValueError) as error:
            # A busy head node may fail at once and answer a moment later. Where there is none, Ray
            # waits for long.
            was_quick = time.monotonic() - began < CONNECT_PAUSE_S
            if left and was_quick and isinstance(error, ConnectionError):
                time.sleep(CONNECT_PAUSE_S)
                continue
            if problem := token_problem(error):
                raise UserError(f"--address {address!r}: {problem}") from None
            # Ray wraps what happened in an error that says nothing. Its client only times out
            # where a token is missing.
            hint = f"; if it requires a token, {REMEDY}" if address.startswith("ray://") else ""
            raise UserError(
                f"--address {address!r}: no Ray cluster answers there "
                f"({error.__cause__ or error}){hint}"
            ) from None
        except Exception as error:
            if problem := token_problem(error):
                raise UserError(f"--address {address!r}: {problem}") from None
            # Ray throws a bare Exception if what it starts is not up in time, as on a busy machine.
            raise RunStopped(f"Ray did not start: {cause_of(error)}") from None


def _init(address: str) -> None:
    options: dict[str, Any] = {} if address else {"include_dashboard": False}
    if not address.startswith("ray://"):
        options["job_config"] = _job_config()
    ray.init(
        address=address or "local", log_to_driver=False, logging_level=logging.ERROR, **options
    )


def _job_config() -> JobConfig:
    """A job whose workers import modules from their own Python installation, or from this checkout.

    By default, Ray puts the driver's current folder first on the workers' `sys.path`. A user's own
    `pipeline.py`, `jobs/`, `muse/` or `manifests/` there would be imported instead of ours.
    """
    root = Path(__file__).resolve().parents[3]
    installed = root.name in ("site-packages", "dist-packages")
    config = JobConfig(_py_driver_sys_path=[] if installed else [str(root)])
    # Ray adds the driver's folders unless the job has a `working_dir`, and has no other option.
    config._runtime_env_has_working_dir = lambda: True
    return config


def _check_reachable(address: str) -> None:
    """Refuse an address HOST:PORT that accepts no connection.

    Ray would wait for minutes before it said so.
    """
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if not (colon and port.isdigit()):
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=SOCKET_TIMEOUT_S).close()
    except (OSError, OverflowError) as error:
        why = getattr(error, "strerror", None) or error
        raise UserError(
            f"--address {address!r}: cannot connect ({why}); is the head node up?"
        ) from None


def worker_options(config: Config) -> tuple[int, WorkerOptions]:
    """How many workers there should be, and what each asks Ray for.

    Raises:
        UserError: more GPUs for a worker than the nodes with these labels have, or no such
            nodes.
    """
    labels = labels_of(config.label_selector)
    alive = [node for node in ray.nodes() if node["Alive"]]
    usable = [node for node in alive if labels.items() <= node["Labels"].items()]
    # Where the user says how many workers there should be, a cluster may still have to grow for
    # them.
    is_growing = bool(config.address and config.workers)
    if not usable and not is_growing:
        raise UserError(
            f"label_selector = {config.label_selector!r}: the cluster has no node with these labels"
        )
    gpus = sum(node["Resources"].get("GPU", 0) for node in usable)
    cores = sum(node["Resources"].get("CPU", 0) for node in usable)
    gpus_each = config.gpus_per_worker
    if gpus_each < 0:
        gpus_each = 1.0 if gpus and config.engine != "null" else 0.0
    if gpus_each > gpus and not is_growing:
        raise UserError(
            f"--gpus-per-worker {gpus_each:g}: the cluster has {gpus:g} GPU(s); use 0 for the CPU"
        )
    fitting = int(gpus / gpus_each) if gpus_each else int(cores // config.threads)
    # With less than a whole core for each, more workers than cores start, if the user asks for so
    # many.
    cores_each = min(config.threads, cores)
    if config.workers:
        cores_each = min(cores_each, cores / config.workers)
    options = WorkerOptions(gpus_each, 0 if gpus_each else cores_each, labels)
    return config.workers or max(1, fitting), options
