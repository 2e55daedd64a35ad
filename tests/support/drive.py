"""Drives the real command from outside, as a user's shell would: shared by the tests of faults and the harness."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil
import pyarrow as pa
import pyarrow.parquet as pq

PATIENCE = 300
"""Seconds that anything may take here. Far more than it should: the machine may be busy."""

MINUTE = 60
"""Seconds within which a run that cannot go on says so. Without a margin: 9 to 15 s were measured on a busy machine."""


def environment() -> dict[str, str]:
    """What a command is started with. Asked at each start: a Ray that this process started has set its way of
    authentication there, and who joins a cluster of this process must know it."""
    # Ray's own default keeps its workers behind everything else on a busy machine.
    return {**os.environ, "RAY_worker_niceness": "0"}


def write_manifest(path: Path, prompts: Sequence[str], **columns: Sequence) -> Path:
    """One request a prompt, all of them for awe."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(
        pa.table({"prompt": list(prompts), "emotion": ["awe"] * len(prompts), **columns}), path
    )
    return path


def run_arguments(manifest: Path, out: Path | str, *more: object) -> list[str]:
    given = [
        "run",
        manifest,
        "--output",
        out,
        "--engine",
        "null",
        "--batch-size",
        4,
        "--shard-size",
        5,
        *more,
    ]
    return [sys.executable, "-m", "pipeline.cli", *map(str, given)]


def run(manifest: Path, out: Path, *more: object, **options) -> subprocess.CompletedProcess[str]:
    """The run command with the null engine, to its end."""
    command = run_arguments(manifest, out, *more)
    options = {"env": environment(), **options}
    return subprocess.run(
        command, capture_output=True, text=True, timeout=PATIENCE, check=False, **options
    )


@contextmanager
def started(
    manifest: Path, out: Path | str, *more: object, **options
) -> Iterator[subprocess.Popen[str]]:
    """The run command, going, in a session of its own; whatever is left of it at the end is killed."""
    command = run_arguments(manifest, out, *more)
    pipes = {
        "stdout": subprocess.PIPE,
        "stderr": subprocess.PIPE,
        "text": True,
        "start_new_session": True,
    }
    with subprocess.Popen(command, **{"env": environment(), **pipes, **options}) as process:
        try:
            yield process
        finally:
            kill_all(process)


def kill_all(process: subprocess.Popen[str]) -> None:
    """Kill the driver, and what it started on this machine, without a word to any of them."""
    try:
        family = [
            psutil.Process(process.pid),
            *psutil.Process(process.pid).children(recursive=True),
        ]
    except psutil.NoSuchProcess:
        return
    for member in family:
        try:
            member.kill()
        except psutil.NoSuchProcess:
            continue


def workers(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """The processes of the run's Ray actors."""
    found = []
    try:
        for child in psutil.Process(process.pid).children(recursive=True):
            try:
                if " ".join(child.cmdline()[:1]).startswith("ray::Worker"):
                    found.append(child)
            except psutil.Error:
                continue
    except psutil.NoSuchProcess:
        return []
    return found


def wait_until(
    condition: Callable[[], object], process: subprocess.Popen[str] | None = None
) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert process is None or process.poll() is None, "the run ended early"
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def batch_files(out: Path) -> list[Path]:
    return list((out / "_state" / "batches").glob("*.parquet"))


def published(out: Path) -> dict[str, bytes]:
    """What must not differ between runs: all files of shards/, and the index."""
    return {
        path.name: path.read_bytes()
        for path in sorted([*(out / "shards").iterdir(), out / "metadata.parquet"])
    }


def rows(out: Path) -> list[dict]:
    return pq.read_table(out / "metadata.parquet").to_pylist()
