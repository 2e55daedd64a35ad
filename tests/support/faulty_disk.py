"""Faults at the file operations of this process below one folder: each is counted, one can fail.

Everything goes through the real file system; what is replaced are the functions of `os` and `io`
that the code under test calls.
"""

from __future__ import annotations

import builtins
import errno
import io
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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


class Killed(BaseException):
    """Plays SIGKILL: nothing handles it, and nothing reaches the disk after it."""


class FaultyDisk:
    """Counts operations, and brings the fault about at one of them.

    Args:
        folder: only operations on files in it count.
        at: the number of the operation that fails; None for none.
    """

    def __init__(self, folder: Path, at: int | None = None, fault: Fault = Fault.KILLED_BEFORE):
        self.folder, self.at, self.fault = str(folder), at, fault
        self.operations: list[str] = []
        self.is_dead = False

    def run(self, name: str, call: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        """Make the call, or what the fault makes of it."""
        if self.is_dead:
            raise Killed
        self.operations.append(name)
        if len(self.operations) - 1 != self.at:
            return call(*arguments, **options)
        if self.fault in (Fault.KILLED_AFTER, Fault.INTERRUPTED_AFTER, Fault.EIO_AFTER):
            call(*arguments, **options)
        if self.fault in (Fault.TORN, Fault.DISK_FULL) and name == "write":
            data = arguments[0]
            call(bytes(data)[: len(data) // 2])
        if self.fault in (Fault.KILLED_BEFORE, Fault.KILLED_AFTER, Fault.TORN):
            self.is_dead = True
            raise Killed
        if self.fault in (Fault.INTERRUPTED_BEFORE, Fault.INTERRUPTED_AFTER):
            raise KeyboardInterrupt
        number = errno.ENOSPC if self.fault is Fault.DISK_FULL else errno.EIO
        raise OSError(number, os.strerror(number))

    def covers(self, path: Any) -> bool:
        return isinstance(path, (str, os.PathLike)) and os.fspath(path).startswith(self.folder)

    @contextmanager
    def installed(self) -> Iterator[FaultyDisk]:
        """Within the context, the process has this disk."""
        with (
            patch.object(io, "open", self._open(io.open)),
            patch.object(builtins, "open", self._open(builtins.open)),
            patch.object(os, "fsync", lambda handle: self.run("fsync", lambda: None)),
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
            return self.run(name, call, path, *arguments, **options)

        return wrapped

    def _open(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def opened(path: Any, mode: str = "r", *arguments: Any, **options: Any) -> Any:
            if not self.covers(path):
                return call(path, mode, *arguments, **options)
            if set(mode).isdisjoint("wax+"):
                return self.run("read", call, path, mode, *arguments, **options)
            # Without a buffer, so that what was written is on the disk as it would after a kill.
            return _Written(self, self.run("create", call, path, mode, 0))

        return opened


class _Written:
    """A file that is written to: each write is an operation."""

    def __init__(self, disk: FaultyDisk, handle: io.FileIO):
        self._disk, self._handle = disk, handle

    def write(self, data: bytes) -> int:
        return self._disk.run("write", self._handle.write, data)

    def __enter__(self) -> _Written:
        return self

    def __exit__(self, *_: object) -> None:
        self._handle.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._handle, name)
