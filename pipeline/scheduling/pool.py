"""The driver's loop: which worker does which task, what happens when one dies, hangs or cannot start.

One task in flight per actor, attempts counted here: an actor's death then costs just the batch that it held.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import ActorUnavailableError, OutOfDiskError, RayError, RayTaskError
from ray.job_config import JobConfig

from pipeline.errors import RunStopped, UserError
from pipeline.generation.worker import Job, Placement, Worker
from pipeline.output.batches import Report
from pipeline.planning.plan import Batch
from pipeline.scheduling.bisection import Attempts, Task

CONNECTS, CONNECT_PAUSE = 3, 5.0
"""Tries to join a cluster, and the seconds between them; one that took longer is the last."""

KNOCK_SECONDS = 20.0
"""That a head may take to accept a connection."""

LOOK_SECONDS = 1.0
"""How often the loop wakes without news, to look for what hangs."""

MOST_FAILED_STARTS = 3
"""Workers that cannot start, one after another, until no more are tried."""

DOUBTFUL = 3
"""Deaths in a row after which other batches are tried first, to tell what kills: this batch, or anything at all."""

MOST_IN_A_ROW, OF_BATCHES = 9, 4
"""Deaths in a row, and batches that they came of, at which the run stops: it is not the requests then. Of many workers
each has to have died three times, for a node may take several with it."""

MOST_AT_ALL = 20
"""The same where a run has too few batches to tell, and no worker of it has ever finished anything."""


def connect(address: str) -> None:
    """Join the Ray cluster at `address`, or start one on this machine.

    Raises:
        UserError: there is no cluster at the address, or none that lets this process in.
        RunStopped: Ray does not start.
    """
    # Ray warns at every start of a change that does not concern a run: it asks GPUs by `num_gpus` alone.
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    options: dict[str, Any] = {} if address else {"include_dashboard": False}
    if not address.startswith("ray://"):
        options["job_config"] = _job_config()
    _knock(address)
    before = signal.getsignal(signal.SIGTERM)
    for left in reversed(range(CONNECTS)):
        began = time.monotonic()
        try:
            ray.init(
                address=address or "local",
                log_to_driver=False,
                logging_level=logging.ERROR,
                **options,
            )
            break
        except (ConnectionError, ValueError) as error:
            # A busy head may fail at once and answer a moment later; where there is none, Ray itself waits for long.
            if (
                left
                and isinstance(error, ConnectionError)
                and time.monotonic() - began < CONNECT_PAUSE
            ):
                time.sleep(CONNECT_PAUSE)
                continue
            # Ray wraps what happened in an error that says nothing.
            raise UserError(
                f"--address {address!r}: no Ray cluster answers there ({error.__cause__ or error})"
            ) from None
        except Exception as error:
            # Ray throws a bare Exception where what it starts is not up in time, as on a machine that is busy.
            raise RunStopped(f"Ray did not start: {cause_of(error)}") from None
    # Ray puts a handler of its own in place, which would end the process with another exit code.
    signal.signal(signal.SIGTERM, before)


def _job_config() -> JobConfig:
    """A job whose workers import modules from their own Python installation, or from this checkout.

    By default, Ray puts the driver's current folder first on the workers' `sys.path`. A user's own
    `pipeline.py`, `jobs/`, `muse/` or `manifests/` there would be imported instead of ours.
    """
    root = Path(__file__).resolve().parents[2]
    installed = root.name in ("site-packages", "dist-packages")
    config = JobConfig(_py_driver_sys_path=[] if installed else [str(root)])
    # Ray adds the driver's folders unless the job has a `working_dir`, and has no other option.
    config._runtime_env_has_working_dir = lambda: True
    return config


def _knock(address: str) -> None:
    """Where nobody listens at HOST:PORT, Ray waits for minutes before it says so."""
    host, mark, port = address.removeprefix("ray://").rpartition(":")
    if not (mark and port.isdigit()):
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=KNOCK_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise UserError(
            f"--address {address!r}: nobody listens there ({error}); is the head node up?"
        ) from None


def disconnect() -> None:
    ray.shutdown()


def labels_of(nodes: str) -> dict[str, str]:
    """The setting `nodes`, KEY=VALUE,KEY=VALUE, as Ray's label selector.

    Raises:
        UserError: a part that is not of that form.
    """
    pairs = [part.strip().partition("=") for part in nodes.split(",") if part.strip()]
    for key, mark, value in pairs:
        if not (key and mark and value):
            raise UserError(
                f"config: nodes = {nodes!r}: write KEY=VALUE, as in ray.io/accelerator-type=A100"
            )
    return {key: value for key, _, value in pairs}


def worker_options(job: Job) -> tuple[int, dict[str, Any]]:
    """How many workers, and what each asks of Ray.

    Raises:
        UserError: more GPUs asked for a worker than the cluster's nodes with the asked labels have, or no such nodes.
    """
    labels = labels_of(job.config.nodes)
    usable = [
        node for node in ray.nodes() if node["Alive"] and labels.items() <= node["Labels"].items()
    ]
    # Where the user says how many workers there shall be, a cluster may still have to grow for them.
    growing = bool(job.config.address and job.config.workers)
    if not usable and not growing:
        raise UserError(
            f"config: nodes = {job.config.nodes!r}: the cluster has no node with these labels"
        )
    gpus, cores = (
        sum(node["Resources"].get(kind, 0) for node in usable) for kind in ("GPU", "CPU")
    )
    each = job.config.gpus_per_worker
    if each < 0:
        each = 1.0 if gpus and job.config.engine != "null" else 0.0
    if each > gpus and not growing:
        raise UserError(
            f"--gpus-per-worker {each:g}: the cluster has {gpus:g} GPU(s); use 0 for the CPU"
        )
    fit = int(gpus / each) if each else int(cores // job.config.threads)
    threads = min(job.config.threads, cores)
    # Asking for a share of a core lets more workers than cores be started when the user says so.
    share = min(threads, cores / max(1, job.config.workers)) if job.config.workers else threads
    options: dict[str, Any] = {"num_gpus": each, "num_cpus": 0 if each else share}
    return job.config.workers or max(1, fit), options | (
        {"label_selector": labels} if labels else {}
    )


END = object()
"""There are no more batches."""


@dataclass
class _Hand:
    """A worker as the driver knows it: its actor, where it lives once it has a place, and what it holds.

    Attributes:
        silent: its connection broke; asked again, Ray will say whether and why it is dead.
        deadline: on the monotonic clock, when it is taken to hang; None without a limit.
    """

    actor: ray.actor.ActorHandle
    place: Placement | None = None
    task: Task | None = None
    silent: bool = False
    deadline: float | None = None


class Pool:
    """Workers, the tasks that they hold, and the tasks that wait to be done again."""

    def __init__(
        self,
        job: Job,
        size: int,
        options: dict[str, Any],
        note: Callable[[Mapping[str, Any]], None],
    ):
        """
        Args:
            note: hears, for the log, of each worker that gets its place, that has its models, and that dies.
        """
        self.job, self.size, self.options, self.note = job, size, options, note
        self.hands: dict[ray.ObjectRef, _Hand] = {}
        """What is awaited of whom: a place, the models, or a task's end."""
        self.again: deque[Task] = deque()
        self.attempts = Attempts()
        self.failed_starts, self.ever_ready, self.ever_done = 0, False, False
        self.deaths: list[int] = []
        """The batch of each death since a worker last finished a task."""
        self.placeless_since = time.monotonic()
        for _ in range(size):
            self._start()

    def run(
        self,
        batches: Iterator[Batch | None],
        done: Callable[[Report], None],
        look: Callable[[], None],
    ) -> None:
        """Work off all batches.

        Args:
            batches: None stands for a batch that cannot be told before those in work are done.
            done: hears of each batch once it is durable.
            look: is called about once a second, and may raise to end the run.

        Raises:
            RunStopped: no worker can be started, all die, or results cannot be stored; with the cause.
        """
        idle: list[_Hand] = []
        while True:
            idle = [hand for hand in idle if not self._give(hand, batches)]
            if (
                self.ever_ready
                and not self.again
                and not any(hand.task for hand in self.hands.values())
            ):
                return
            finished, _ = ray.wait([*self.hands], num_returns=1, timeout=LOOK_SECONDS)
            look()
            for reference in finished:
                if free := self._heard(reference, done):
                    idle.append(free)
            self._end_what_hangs()
            self._stop_if_nobody_gets_a_place()

    def _start(self) -> None:
        actor = Worker.options(**self.options).remote(self.job)  # type: ignore[attr-defined]
        self.hands[actor.place.remote()] = _Hand(actor)

    def _await(
        self, reference: ray.ObjectRef, hand: _Hand, requests: int, least: float = 0.0
    ) -> None:
        """Wait for `hand` to finish what takes the time of so many requests, and may take `least` seconds."""
        seconds = self.job.config.request_timeout_s * max(1, requests)
        seconds = max(seconds, least) if seconds else 0.0
        hand.deadline = time.monotonic() + seconds if seconds else None
        self.hands[reference] = hand

    def _give(self, hand: _Hand, batches: Iterator[Batch | None]) -> bool:
        """Give a worker something to do, or let it go; False if it has to wait."""
        fresh = next(batches, END) if len(self.deaths) >= DOUBTFUL or not self.again else None
        if isinstance(fresh, Batch):
            hand.task = Task(fresh)
        elif self.again:
            hand.task = self.again.popleft()
        else:
            return fresh is END  # its last handle goes, and the worker with it
        self._await(hand.actor.run.remote(hand.task), hand, len(hand.task.keys))
        return True

    def _heard(self, reference: ray.ObjectRef, done: Callable[[Report], None]) -> _Hand | None:
        """News of a worker; returned if it is free for work."""
        hand = self.hands.pop(reference)
        try:
            value = ray.get(reference)
        except RayTaskError as error:
            if hand.task is None:
                self._failed_to_start(hand, error)
                return None
            # The method's own errors end as failed requests; what arrives here is the disk or the driver's code.
            raise RunStopped(
                f"batch {hand.task.batch.number} could not be stored: {cause_of(error)}"
            ) from None
        except OutOfDiskError as error:
            raise RunStopped(cause_of(error)) from None
        except ActorUnavailableError:
            hand.silent = True
            self._await(hand.actor.place.remote(), hand, len(hand.task.keys) if hand.task else 1)
            return None
        except RayError as error:
            self._died(hand, error)
            return None
        silent, hand.silent = hand.silent, False
        if hand.place is None or (silent and hand.task is None):
            hand.place, self.placeless_since = value, time.monotonic()
            self.note({"event": "placed", "pid": value.pid})
            self._await(hand.actor.ready.remote(), hand, 1, self.job.config.worker_start_timeout_s)
            return None
        if silent and hand.task is not None:
            # Alive after all, but what it said is lost.
            self.again.appendleft(hand.task)
            hand.task = None
            return hand
        self.ever_ready, self.failed_starts = True, 0
        if hand.task is not None:
            self.deaths, self.ever_done = [], True
            self._follow(self.attempts.survived(hand.task))
            hand.task = None
            if value is not None:
                done(value)
        else:
            self.note({"event": "ready", **asdict(value)})
        return hand

    def _follow(self, task: Task | None) -> None:
        if task is not None:
            # In front: a batch that is being looked into holds up the shards behind it.
            self.again.appendleft(task)

    def _died(self, hand: _Hand, error: Exception) -> None:
        """A worker is gone: its task is charged with that, unless its node went, too."""
        if hand.task is None:
            self._failed_to_start(hand, error)
            return
        self._note_end(hand, error)
        self.placeless_since = time.monotonic()
        if getattr(error, "preempted", False) or self._node_is_lost(hand):
            self.again.appendleft(hand.task)
        else:
            self.deaths.append(hand.task.batch.number)
            most = max(MOST_IN_A_ROW, 3 * self.size)
            whatever = len(self.deaths) >= most and len({*self.deaths}) >= OF_BATCHES
            if whatever or (len(self.deaths) >= MOST_AT_ALL and not self.ever_done):
                raise RunStopped(
                    f"{len(self.deaths)} workers died one after another and none finished anything; "
                    f"the last: {cause_of(error)}"
                )
            self._follow(self.attempts.died(hand.task))
        self._start()

    def _note_end(self, hand: _Hand, error: Exception) -> None:
        held = (
            {"held": hand.task.batch.number, "requests": len(hand.task.keys)} if hand.task else {}
        )
        self.note(
            {
                "event": "ended",
                "pid": hand.place and hand.place.pid,
                **held,
                "cause": cause_of(error),
            }
        )

    def _node_is_lost(self, hand: _Hand) -> bool:
        return not any(
            hand.place and node["NodeID"] == hand.place.node and node["Alive"]
            for node in ray.nodes()
        )

    def _failed_to_start(self, hand: _Hand, error: Exception) -> None:
        """A worker ended before it had its models. Others may do its work; without any others the run ends."""
        self._note_end(hand, error)
        if hand.place and self._node_is_lost(hand):
            self._start()
            return
        self.failed_starts += 1
        if self.failed_starts < MOST_FAILED_STARTS and not isinstance(error, RayTaskError):
            self._start()
        elif not self.hands:
            raise RunStopped(f"no worker could be started: {cause_of(error)}") from None

    def _end_what_hangs(self) -> None:
        now = time.monotonic()
        for reference, hand in list(self.hands.items()):
            if hand.deadline is not None and now > hand.deadline:
                del self.hands[reference]
                ray.kill(hand.actor)
                limit = f"{self.job.config.request_timeout_s:g} s a request"
                self._died(hand, TimeoutError(f"it took longer than {limit} (request_timeout_s)"))

    def _stop_if_nobody_gets_a_place(self) -> None:
        """Ray waits for ever for what the cluster does not have; a run does not."""
        seconds = self.job.config.worker_start_timeout_s
        if any(hand.place for hand in self.hands.values()):
            self.placeless_since = time.monotonic()
        elif self.hands and time.monotonic() - self.placeless_since > seconds:
            asked = ", ".join(
                f"{key[4:]} {self.options[key]:g}"
                for key in ("num_gpus", "num_cpus")
                if self.options[key]
            )
            free = ", ".join(
                f"{key} {value:g}"
                for key, value in ray.available_resources().items()
                if key in ("CPU", "GPU")
            )
            raise RunStopped(
                f"no worker got a place within {seconds:g} s (worker_start_timeout_s): each asks for {asked or 'nothing'}, "
                f"free are {free or 'none'}; free resources, add nodes, or ask for less"
            )


def cause_of(error: Exception) -> str:
    """The last line of what a worker threw."""
    lines = [
        line for line in str(getattr(error, "cause", None) or error).splitlines() if line.strip()
    ]
    return lines[-1].strip() if lines else type(error).__name__
