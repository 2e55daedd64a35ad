"""The log of a run: all that varies between runs (times, hosts, processes), a JSON line for each.

On a file system it is `_state/log.jsonl`, which is appended to. An object cannot be appended to:
there the lines are collected for up to half a minute and become the next numbered object of
`_state/log/`. A crash then loses the lines of that time; no corpus is made from them.

A line is a finished batch (`pipeline.output.batches.Report`), or has an `event`: `start` (the
driver had checked everything and had reached Ray), `placed` (a worker has a process), `ready` (it
has its models, and the seconds that took), `ended` (it died, hung or could not start; the cause,
and how many requests of which batch it held) or `stop` (the driver has ended, and why). Each line
ends with its own checksum.
"""

from __future__ import annotations

import json
import os
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from pipeline.storage.files import Location, size_of, write_bytes
from pipeline.storage.remote import Remote

SECONDS = 30.0
"""How long lines are collected for an object."""


class Log:
    """Writes lines; a context, whose end writes the last ones.

    Args:
        on_entry: is called with each entry.
    """

    def __init__(
        self, output: Location, on_entry: Callable[[Mapping[str, Any]], None] = lambda _: None
    ):
        self.state, self.on_entry = output / "_state", on_entry
        self.lines: list[bytes] = []
        if isinstance(self.state, Remote):
            self.part = sum(1 for _ in (self.state / "log").iterdir())
            self.written = time.monotonic()
        else:
            self.state.mkdir(parents=True, exist_ok=True)
            self.file = (self.state / "log.jsonl").open("ab+")
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
        write_bytes(state / "log" / f"{self.part:06d}.jsonl", b"".join(self.lines))
        self.lines, self.part, self.written = [], self.part + 1, time.monotonic()


@dataclass(frozen=True)
class LogContent:
    """What a log holds: its entries, the oldest first, and how many lines are damaged."""

    entries: tuple[dict[str, Any], ...]
    damaged: int


def read_log(output: Location) -> LogContent:
    """The log of a run; an empty one if there is none."""
    state = output / "_state"
    parts: list[Location] = [state / "log.jsonl"]
    if isinstance(state, Remote):
        parts = sorted((state / "log").iterdir())
    entries, damaged = [], 0
    for part in parts:
        lines = part.read_bytes().split(b"\n") if size_of(part) is not None else []
        for line in filter(None, lines):
            entry = _decode(line)
            if entry is None:
                damaged += 1
            else:
                entries.append(entry)
    return LogContent(tuple(entries), damaged)


def entries(output: Location) -> Iterator[dict[str, Any]]:
    """Every undamaged line of the log, the oldest first."""
    return iter(read_log(output).entries)


def reports(output: Location) -> Iterator[dict[str, Any]]:
    """The lines that report a finished batch, the oldest first."""
    return (entry for entry in entries(output) if "batch" in entry and "event" not in entry)


def _encode(entry: Mapping[str, Any]) -> bytes:
    """A line: the entry, and last the checksum of the line without it."""
    text = json.dumps(entry)
    return f'{text[:-1]}, "crc32": "{zlib.crc32(text.encode()):08x}"}}\n'.encode()


def _decode(line: bytes) -> dict[str, Any] | None:
    """The entry of a line; None if the line is damaged."""
    try:
        entry = json.loads(line)
        del entry["crc32"]
    except (ValueError, RecursionError, AttributeError, KeyError, TypeError):
        return None
    return entry if _encode(entry) == line + b"\n" else None
