"""Faults at the file operations of this process below one folder: each is counted, one can fail.

Everything goes through the real file system; what is replaced are the functions of `os` and `io`
that the code under test calls.
"""

from __future__ import annotations

import builtins
import errno
import io
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any
from unittest.mock import patch


class Fault(Enum):
    """What happens at an operation."""

    KILLED_BEFORE = "SIGKILL before"
    KILLED_AFTER = "SIGKILL after"
    TORN = "SIGKILL within"
    INTERRUPTED_BEFORE = "Ctrl-C before"
    INTERRUPTED_AFTER = "Ctrl-C after"
    EIO_BEFORE = "EIO before"
    EIO_AFTER = "EIO after"
    DISK_FULL = "ENOSPC within"


KILLS = (Fault.KILLED_BEFORE, Fault.KILLED_AFTER, Fault.TORN)
AFTER = (Fault.KILLED_AFTER, Fault.INTERRUPTED_AFTER, Fault.EIO_AFTER)
READING = ("read", "list", "fsync")
"""Operations that change no file: after them is before the next one, and they need no room."""


@dataclass(frozen=True)
class Operation:
    """One operation.

    Attributes:
        name: `read`, `list`, `create`, `write`, `fsync`, `replace`, `unlink` or `mkdir`.
        path: of the file that is written to.
        data: what is written to its end.
    """

    name: str
    path: str = ""
    data: bytes = b""

    def suffers(self, fault: Fault) -> bool:
        """Whether the fault differs from others at this operation, or could befall it at all."""
        if fault is Fault.TORN:
            return len(self.data) > 1
        return self.name not in READING or (fault not in AFTER and fault is not Fault.DISK_FULL)


class FaultyDisk:
    """Counts operations, and brings the fault about at one of them.

    Args:
        folder: only operations on files in it count.
        at: the number of the operation that fails; None for none.
        before: is called with each operation before it is made.
    """

    def __init__(
        self,
        folder: Path,
        at: int | None = None,
        fault: Fault = Fault.KILLED_BEFORE,
        before: Callable[[Operation], None] = lambda operation: None,
    ):
        self.folder, self.at, self.fault, self.before = str(folder), at, fault, before
        self.operations: list[Operation] = []
        self.is_paused = False

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Within the context, no operation counts."""
        self.is_paused = True
        yield
        self.is_paused = False

    def run(self, operation: Operation, call: Callable[..., Any], *arguments: Any) -> Any:
        """Make the call, or what the fault makes of it."""
        self.before(operation)
        self.operations.append(operation)
        if len(self.operations) - 1 != self.at:
            return call(*arguments)
        if self.fault in AFTER:
            # An operation may fail by itself, as `mkdir` does for a folder that is there.
            with suppress(OSError):
                call(*arguments)
        if self.fault in (Fault.TORN, Fault.DISK_FULL) and operation.data:
            call(operation.data[: len(operation.data) // 2])
        if self.fault in KILLS:
            os.kill(os.getpid(), signal.SIGKILL)
        if self.fault in (Fault.INTERRUPTED_BEFORE, Fault.INTERRUPTED_AFTER):
            raise KeyboardInterrupt
        number = errno.ENOSPC if self.fault is Fault.DISK_FULL else errno.EIO
        raise OSError(number, os.strerror(number))

    def covers(self, path: Any) -> bool:
        if self.is_paused or not isinstance(path, (str, os.PathLike)):
            return False
        return os.fspath(path).startswith(self.folder)

    @contextmanager
    def installed(self) -> Iterator[FaultyDisk]:
        """Within the context, the process has this disk."""
        with (
            patch.object(io, "open", self._open(io.open)),
            patch.object(builtins, "open", self._open(builtins.open)),
            patch.object(os, "fsync", lambda _: self.run(Operation("fsync"), lambda: None)),
            patch.object(os, "replace", self._wrapped("replace", os.replace)),
            patch.object(os, "unlink", self._wrapped("unlink", os.unlink)),
            patch.object(os, "mkdir", self._wrapped("mkdir", os.mkdir)),
            patch.object(os, "scandir", self._wrapped("list", os.scandir)),
            patch.object(os, "listdir", self._wrapped("list", os.listdir)),
        ):
            yield self

    def _wrapped(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(path: Any = ".", *arguments: Any, **options: Any) -> Any:
            if not self.covers(path):
                return call(path, *arguments, **options)
            return self.run(Operation(name), lambda: call(path, *arguments, **options))

        return wrapped

    def _open(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def opened(path: Any, mode: str = "r", *arguments: Any, **options: Any) -> Any:
            if not self.covers(path):
                return call(path, mode, *arguments, **options)
            if set(mode).isdisjoint("wax+"):
                reading = lambda: call(path, mode, *arguments, **options)  # noqa: E731
                return self.run(Operation("read"), reading)
            # Buffered, as it would be: what is in the buffer is lost with the process.
            raw = self.run(Operation("create"), lambda: _Written(self, os.fspath(path), mode))
            return io.BufferedRandom(raw) if "+" in mode else io.BufferedWriter(raw)

        return opened


class _Written(io.FileIO):
    """A file that is written to: each write that reaches it is an operation."""

    def __init__(self, disk: FaultyDisk, path: str, mode: str):
        super().__init__(path, mode.replace("b", ""))
        self._disk = disk

    def write(self, data: Any) -> int:
        operation = Operation("write", str(self.name), bytes(data))
        return self._disk.run(operation, super().write, data)
