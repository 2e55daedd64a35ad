"""The log of a run: all that varies between runs (times, hosts, processes), a JSON line for each.

On a file system it is `_state/log.jsonl`, which is appended to. An object cannot be appended to:
there the lines are collected for up to half a minute and become the next numbered object of
`_state/log/`. A crash then loses the lines of that time; no corpus is made from them.

A line is a finished batch (`pipeline.output.batches.Report`), or has an `event`: `start` (the
driver had checked everything and had reached Ray), `held` (so many workers have their resources,
though none has loaded its code yet), `placed` (a worker has a process), `ready` (it has its models,
and the seconds that took), `ended` (it died, hung or could not start; the cause,
and how many requests of which batch it held) or `stop` (the driver has ended, and why). Each line
ends with its own checksum.
"""

from __future__ import annotations

import json
import os
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from pipeline.storage.files import Location, size_of, write_bytes
from pipeline.storage.log_events import is_valid
from pipeline.storage.regular import open_file, refuse_special
from pipeline.storage.remote import Remote

SECONDS = 30.0
"""How long lines are collected for an object."""


class Log:
    """Writes lines; a context, whose end writes the last ones.

    Args:
        on_entry: is called with each entry.
        may_write: is asked before lines are written; once they must not be, they are dropped.
    """

    def __init__(
        self,
        output: Location,
        on_entry: Callable[[Mapping[str, Any]], None] = lambda _: None,
        may_write: Callable[[], bool] = lambda: True,
    ):
        self.state, self.on_entry, self.may_write = output / "_state", on_entry, may_write
        self.lines: list[bytes] = []
        if isinstance(self.state, Remote):
            self.part = sum(1 for _ in (self.state / "log").iterdir())
            self.written = time.monotonic()
        else:
            self.state.mkdir(parents=True, exist_ok=True)
            file = self.state / "log.jsonl"
            refuse_special(file)
            self.file = file.open("ab+")
            self._end_torn_line()

    def __enter__(self) -> Log:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if not isinstance(self.state, Remote):
            self.file.close()
        elif self.lines:
            self._flush(self.state)

    def add(self, entry: Mapping[str, Any]) -> None:
        entry = {"at": time.time(), **entry}
        self.on_entry(entry)
        line = _encode(entry)
        if not isinstance(self.state, Remote):
            if not self.may_write():
                return
            self.file.write(line)
            self.file.flush()
            return
        self.lines.append(line)
        if time.monotonic() - self.written >= SECONDS:
            self._flush(self.state)

    def _end_torn_line(self) -> None:
        """End a line that a crash cut off, so that it does not swallow the next one."""
        if self.file.tell() == 0:
            return
        self.file.seek(-1, os.SEEK_END)
        if self.file.read(1) != b"\n":
            self.file.write(b"\n")

    def _flush(self, state: Remote) -> None:
        if self.may_write():
            write_bytes(state / "log" / f"{self.part:06d}.jsonl", b"".join(self.lines))
        self.lines, self.part, self.written = [], self.part + 1, time.monotonic()


class LogReader:
    """Reads a log, and later what was appended to it since."""

    def __init__(self, output: Location):
        self.state = output / "_state"
        self._restart()

    def _restart(self) -> None:
        self._end, self._parts = 0, set[str]()
        self._damaged, self._is_torn = 0, False

    @property
    def damaged(self) -> int:
        """How many of the lines read so far are damaged, or hold what no line does."""
        return self._damaged + self._is_torn

    def was_replaced(self) -> bool:
        """Whether the log is shorter than what was read of it. It is then read from its start."""
        if isinstance(self.state, Remote) or (size_of(self._file) or 0) >= self._end:
            return False
        self._restart()
        return True

    def entries(self) -> Iterator[dict[str, Any]]:
        """The entries that were not read before, the oldest first.

        Raises:
            SpecialFileError: the log is no regular file.
        """
        self._is_torn = False
        for line in self._lines():
            text = line.removesuffix(b"\n")
            entry = _decode(text)
            if entry is None and text == line:
                # Its end is still being written, or a crash has cut it off.
                self._is_torn = True
                return
            self._end += len(line)
            if entry is not None:
                yield entry
            elif text:
                self._damaged += 1

    @property
    def _file(self) -> Location:
        return self.state / "log.jsonl"

    def _lines(self) -> Iterator[bytes]:
        """The lines that were not read before, each with its newline."""
        if isinstance(self.state, Remote):
            for part in sorted((self.state / "log").iterdir()):
                if part.name not in self._parts:
                    self._parts.add(part.name)
                    yield from (line + b"\n" for line in part.read_bytes().split(b"\n"))
            return
        try:
            file = open_file(self._file)
        except FileNotFoundError:
            return
        with file:
            file.seek(self._end)
            yield from file


@dataclass(frozen=True)
class LogContent:
    """What a log holds: its entries, the oldest first, and how many lines are damaged."""

    entries: tuple[dict[str, Any], ...]
    damaged: int


def read_log(output: Location) -> LogContent:
    """The log of a run; an empty one if there is none.

    Raises:
        SpecialFileError: it is no regular file.
    """
    reader = LogReader(output)
    return LogContent(tuple(reader.entries()), reader.damaged)


def entries(output: Location) -> Iterator[dict[str, Any]]:
    """Every undamaged line of the log, the oldest first."""
    return LogReader(output).entries()


def reports(output: Location) -> Iterator[dict[str, Any]]:
    """The lines that report a finished batch, the oldest first."""
    return reports_among(entries(output))


def reports_among(lines: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Those of the entries that report a finished batch."""
    return (entry for entry in lines if "event" not in entry)


def _encode(entry: Mapping[str, Any]) -> bytes:
    """A line: the entry, and last the checksum of the line without it."""
    text = json.dumps(entry)
    return f'{text[:-1]}, "crc32": "{zlib.crc32(text.encode()):08x}"}}\n'.encode()


def _decode(line: bytes) -> dict[str, Any] | None:
    """The entry of a line; None if the line is damaged, or holds what no line does."""
    try:
        entry = json.loads(line)
        del entry["crc32"]
    except (ValueError, RecursionError, AttributeError, KeyError, TypeError):
        return None
    return entry if _encode(entry) == line + b"\n" and is_valid(entry) else None
