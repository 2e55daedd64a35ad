"""The log of a run: all that varies between runs (times, hosts, processes), a JSON line each.

On a file system it is `_state/log.jsonl`, appended to. An object cannot be appended to: there the lines gather for up
to half a minute and become the next numbered object of `_state/log/`. A crash then costs the lines of that time, which
nothing is made from.

A line is a finished batch (`pipeline.output.batches.Report`), or has an `event`: `start` (when the driver had checked all,
and had reached Ray), `placed` (a worker has a process), `ready` (it has its models, and the seconds it took) or `ended`
(it died, hung or could not start, by which cause, and how many requests of which batch it held).
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any

from pipeline.storage.files import Location, write_bytes
from pipeline.storage.remote import Remote

SECONDS = 30.0


class Log:
    """Takes lines down; a context, so that the last ones are not forgotten."""

    def __init__(self, output: Location):
        self.state = output / "_state"
        self.lines: list[str] = []
        if isinstance(self.state, Remote):
            self.part = sum(1 for _ in (self.state / "log").iterdir())
            self.written = time.monotonic()
        else:
            self.state.mkdir(parents=True, exist_ok=True)
            self.file = (self.state / "log.jsonl").open("a")

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
        line = json.dumps({"at": time.time(), **entry}) + "\n"
        if not isinstance(self.state, Remote):
            self.file.write(line)
            self.file.flush()
            return
        self.lines.append(line)
        if time.monotonic() - self.written >= SECONDS:
            self._flush(self.state)

    def _flush(self, state: Remote) -> None:
        write_bytes(state / "log" / f"{self.part:06d}.jsonl", "".join(self.lines).encode())
        self.lines, self.part, self.written = [], self.part + 1, time.monotonic()


def reports(output: Location) -> Iterator[dict[str, Any]]:
    """The lines that report a finished batch, the oldest first."""
    return (entry for entry in entries(output) if "batch" in entry)


def entries(output: Location) -> Iterator[dict[str, Any]]:
    """Every line of the log, the oldest first; one cut off by a crash is passed over."""
    state = output / "_state"
    parts: list[Location] = (
        [state / "log.jsonl"]
        if not isinstance(state, Remote)
        else sorted((state / "log").iterdir())
    )
    for part in parts:
        for line in part.read_text().splitlines() if part.exists() else []:
            try:
                yield json.loads(line)
            except json.JSONDecodeError:
                continue
