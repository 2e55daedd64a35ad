"""Time, memory, and what is read of files, of this process while it does something."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

MIB = 1 << 20
SAMPLE_SECONDS = 0.05
"""How often the memory is measured."""


class FileAccess:
    """Folders listed and files opened below a folder, from Python's audit events."""

    def __init__(self, folder: Path):
        self.folder = str(folder.resolve())
        self.listings = 0
        self.opened: Counter[str] = Counter()
        """By the file's folder within `folder`, and its ending."""
        self.active = True
        sys.addaudithook(self._on_event)

    def _on_event(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.active or event not in ("os.scandir", "os.listdir", "open"):
            return
        if not isinstance(arguments[0], str | os.PathLike):
            return
        # `open` with an opener has an event of its own beside that of `os.open`, which has no mode.
        if event == "open" and arguments[1] is None:
            return
        path = os.path.abspath(arguments[0])
        if not path.startswith(self.folder):
            return
        if event == "open":
            place = os.path.relpath(path, self.folder).split(os.sep)
            self.opened[f"{place[0]}/*{os.path.splitext(place[-1])[1]}"] += 1
        else:
            self.listings += 1


@contextmanager
def measured(figures: dict[str, Any], folder: Path | None = None) -> Iterator[dict[str, Any]]:
    """Add to `figures` what this process does meanwhile.

    Those are seconds, CPU seconds, resident memory in MiB (start, middle, peak), and MiB read from
    files.

    Args:
        folder: also count the listings and the files opened there.
    """
    import psutil

    process, memory, end = psutil.Process(), [], threading.Event()

    def watch() -> None:
        while True:
            memory.append(process.memory_info().rss // MIB)
            if end.wait(SAMPLE_SECONDS):
                return

    access = FileAccess(folder) if folder else None
    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    began, cpu_began = time.perf_counter(), time.process_time()
    read = process.io_counters().read_chars
    try:
        yield figures
    finally:
        figures["seconds"] = round(time.perf_counter() - began, 2)
        figures["cpu_seconds"] = round(time.process_time() - cpu_began, 2)
        figures["mib_read"] = round((process.io_counters().read_chars - read) / MIB, 1)
        end.set()
        watcher.join()
        figures["mib_at_start"] = memory[0]
        figures["mib_midway"] = memory[len(memory) // 2]
        figures["mib_peak"] = max(memory)
        if access:
            access.active = False
            figures |= {"listings": access.listings, "opened": dict(access.opened)}
