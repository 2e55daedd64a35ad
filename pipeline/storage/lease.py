"""One driver at a time: a file in the output that its driver keeps renewing.

No clocks are compared, because those of two machines differ and any may jump. A lease is alive if
its count changes while it is watched. Only a driver on this machine whose process is gone is known
to be dead at once.
"""

from __future__ import annotations

import json
import os
import socket
import threading
import time
import uuid
from dataclasses import replace
from typing import Any

from pipeline.errors import RunStopped, UserError
from pipeline.storage.files import Location, first_write, write_json
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
        self.token, self.count = uuid.uuid4().hex, 0
        self.lost = False
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._renew, name="lease", daemon=True)

    def __enter__(self) -> Lease:
        """Take the lease.

        Raises:
            UserError: another driver is writing this output, or nobody can.
        """
        other = _read(self.file)
        if other is not None and _is_alive(self.file, other):
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
        }
        write_json(self.file, content)


def writer_of(output: Location) -> str | None:
    """Who is writing an output, as "process 7 on HOST"; None if nobody is.

    Where there is a lease, this may take as long as its driver is watched.
    """
    file = lease_file(output)
    held = _read(file)
    return _holder(held) if held is not None and _is_alive(file, held) else None


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


def _is_alive(file: Location, held: dict[str, Any]) -> bool:
    """Whether the driver that wrote this lease still renews it; may watch for a while."""
    if held.get("machine") == machine() and not _is_running(held.get("pid")):
        return False
    until = time.monotonic() + WATCH_SECONDS
    while time.monotonic() < until:
        time.sleep(BEAT_SECONDS / 4)
        now = _read(file)
        if now is None:
            return False  # it has just ended
        if (now["token"], now["count"]) != (held["token"], held["count"]):
            return True
    return False


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
