"""One driver at a time: a file in the output that its driver keeps renewing.

No clocks are compared, because those of two machines differ and any may jump. A lease is alive if
its count changes while it is watched. Only a driver on this machine whose process is gone is known
to be dead at once.
"""

from __future__ import annotations

import enum
import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from pipeline.errors import RunStopped, UserError
from pipeline.storage.files import Location, first_write, write_json
from pipeline.storage.log_events import MAX_TIME
from pipeline.storage.regular import read_file
from pipeline.storage.remote import Remote

BEAT_SECONDS = 2.0
WATCH_SECONDS = 15.0
"""How long a lease's count has to stand still until its driver is taken to be dead."""
SETTLE_SECONDS = 0.2
"""How long a new lease waits for another driver that may have taken it at the same moment."""


def lease_file(output: Location) -> Location:
    return output / "_state" / "lease.json"


def machine() -> str:
    """Names a set of processes that can see each other: a host, and within it a container."""
    try:
        return f"{socket.gethostname()} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return socket.gethostname()


class Lease:
    """Held while a driver works on an output.

    Use it as `with Lease(output) as lease`, and call `lease.check()` now and then.
    """

    def __init__(self, output: Location):
        self.output, self.file = output, lease_file(output)
        if isinstance(self.file, Remote):
            # A renewal that arrives late is useless: give up early and try the next one.
            timeout = min(self.file.store_timeout_s, WATCH_SECONDS / 2)
            self.file = replace(self.file, store_timeout_s=timeout)
        self.token, self.count, self.began = uuid.uuid4().hex, 0, time.time()
        self.lost = False
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._renew, name="lease", daemon=True)

    def __enter__(self) -> Lease:
        """Take the lease.

        Raises:
            UserError: another driver is writing this output, or nobody can.
        """
        if (other := _living(self.file)) is not None:
            self._refuse(other)
        with first_write(self.output):
            self._write()
        # Of two drivers that came at the same moment, both have written: the last one has it.
        time.sleep(SETTLE_SECONDS)
        held = _read(self.file)
        if held is None or held["token"] != self.token:
            self._refuse(held or {})
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()
        held = _read(self.file)
        if held is not None and held["token"] == self.token:
            self.file.unlink(missing_ok=True)

    def check(self) -> None:
        """
        Raises:
            RunStopped: another driver has taken the lease over; this one must not write any more.
        """
        if self.lost:
            raise RunStopped(f"{self.file}: another driver has taken this output over")

    def _refuse(self, other: dict[str, Any]) -> None:
        raise UserError(
            f"another driver is writing {self.output} ({_holder(other)}); "
            "wait for it, or give another --output"
        )

    def _renew(self) -> None:
        while not self._end.wait(BEAT_SECONDS):
            try:
                held = _read(self.file)
                if held is not None and held["token"] != self.token:
                    self.lost = True
                    return
                self._write()
            except (OSError, RunStopped):
                # A full disk or an unreachable store is reported by whoever writes results there.
                continue

    def _write(self) -> None:
        self.count += 1
        content = {
            "token": self.token,
            "count": self.count,
            "machine": machine(),
            "pid": os.getpid(),
            "began": self.began,
        }
        write_json(self.file, content)


@dataclass(frozen=True)
class Writer:
    """A driver that is writing an output.

    Attributes:
        holder: as "process 7 on HOST".
        began: when it took the lease, as `time.time()`; None where that is not told.
    """

    holder: str
    began: float | None


def driver_of(output: Location) -> Writer | None:
    """The driver that is writing an output; None if none is.

    One whose process runs on this machine is known at once. To find out whether one elsewhere is
    alive may take as long as it is watched.
    """
    held = _read(lease_file(output))
    if held is None or held.get("machine") != machine() or _has_lost_process(held):
        held = _living(lease_file(output))
    if held is None:
        return None
    began = held.get("began")
    is_time = isinstance(began, float) and 0 < began < MAX_TIME
    return Writer(_holder(held), began if is_time else None)


def writer_of(output: Location) -> str | None:
    """Who is writing an output, as "process 7 on HOST"; None if nobody is.

    Where there is a lease, this may take as long as its driver is watched.
    """
    held = _living(lease_file(output))
    return None if held is None else _holder(held)


def _living(file: Location) -> dict[str, Any] | None:
    """The lease of a driver that still renews it, None if nobody does; may watch for a while."""
    watch = LeaseWatch(file)
    while (state := watch.look()) is State.UNKNOWN:
        time.sleep(BEAT_SECONDS / 4)
    return watch.held if state is State.ALIVE else None


class State(enum.Enum):
    """What is known of the driver of a lease; UNKNOWN until the lease was seen to change."""

    ALIVE = enum.auto()
    UNKNOWN = enum.auto()
    DEAD = enum.auto()


class LeaseWatch:
    """Looks at a lease again and again, to find out whether a driver renews it.

    Args:
        clock: seconds, as `time.monotonic()`.

    Attributes:
        held: the lease as it was last seen; None if there is none.
    """

    def __init__(self, file: Location, clock: Callable[[], float] = time.monotonic):
        self.file, self.clock = file, clock
        self.held: dict[str, Any] | None = None
        self.since, self.has_changed = clock(), False

    def look(self) -> State:
        """What this look and those before it tell."""
        before, self.held = self.held, _read(self.file)
        if self.held is None or _has_lost_process(self.held):
            return State.DEAD
        if before is None or _version(before) != _version(self.held):
            self.since, self.has_changed = self.clock(), before is not None
        if self.clock() - self.since >= WATCH_SECONDS:
            return State.DEAD
        return State.ALIVE if self.has_changed else State.UNKNOWN

    def is_at_work(self) -> bool:
        """Whether a driver is at work; it counts as such until it is known to be dead."""
        return self.look() is not State.DEAD


def _read(file: Location) -> dict[str, Any] | None:
    """A lease as it is stored; None if there is none, or none that can be read."""
    try:
        content = json.loads(read_file(file))
    except (OSError, ValueError):
        return None
    valid = isinstance(content, dict) and {"token", "count"} <= content.keys()
    return content if valid else None


def _holder(lease: dict[str, Any]) -> str:
    host = str(lease.get("machine", "")).partition(" ")[0]
    return f"process {lease.get('pid')} on {host}"


def _version(lease: dict[str, Any]) -> tuple[Any, Any]:
    """What changes whenever a lease is renewed, or taken by another driver."""
    return lease["token"], lease["count"]


def _has_lost_process(lease: dict[str, Any]) -> bool:
    """Whether the driver was one of this machine, and its process is gone."""
    return lease.get("machine") == machine() and not _is_running(lease.get("pid"))


def _is_running(pid: Any) -> bool:
    """Whether a process of this machine still runs."""
    # Other numbers mean groups of processes.
    if type(pid) is not int or pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True
