"""Calls the command `muse-batch`: within this process, or as a process of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.output.run.run_file import read_run, write_run

TIMEOUT_S = 300
"""How long anything may take here: far longer than it should, for the machine may be busy."""


Faults = Mapping[str, object] | None
"""Faults of the null engine, by the fields of `pipeline.config.Faults`."""


IMAGES = Path("manifests/examples/images").resolve()
"""The source images of the examples."""


def write_manifest(path: Path, prompts: Sequence[str], **columns: Sequence) -> Path:
    """One request per prompt, all of them for awe."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(
        pa.table({"prompt": list(prompts), "emotion": ["awe"] * len(prompts), **columns}), path
    )
    return path


def injected(faults: Faults) -> dict[str, str]:
    """The environment variable through which a command gets the faults."""
    return {} if faults is None else {"MUSE_BATCH_TEST_FAULTS": json.dumps(faults)}


def command(*arguments: object, faults: Faults = None) -> subprocess.CompletedProcess[str]:
    """Any command, within this process."""
    from typer.testing import CliRunner

    from jobs.commands import app

    words = [str(argument) for argument in arguments]
    result = CliRunner().invoke(app, words, env=injected(faults))
    stderr = result.stderr
    if result.exception and not isinstance(result.exception, SystemExit):
        stderr += "".join(traceback.format_exception(result.exception))
    return subprocess.CompletedProcess(words, result.exit_code, result.stdout, stderr)


def run_arguments(manifest: Path, out: Path | str, *more: object) -> list[str]:
    """The arguments of a run with the null engine, without a report, which would take a second."""
    sizes = ["--engine", "null", "--batch-size", 4, "--shard-size", 5, "--set", "report=false"]
    return [str(word) for word in ["run", manifest, "--output", out, *sizes, *more]]


def run(
    manifest: Path, out: Path | str, *more: object, faults: Faults = None
) -> subprocess.CompletedProcess[str]:
    """A run with the null engine, within this process and without Ray."""
    return command(*run_arguments(manifest, out, "--executor", "local", *more), faults=faults)


def environment(faults: Faults = None) -> dict[str, str]:
    """The environment of a command that is started as a process.

    It is read anew at each start: a Ray that this process has started notes its way of
    authentication there, and who joins its cluster needs that.
    """
    # By default, Ray's workers yield to all other processes, which starves them on a busy machine.
    return {**os.environ, "RAY_worker_niceness": "0", **injected(faults)}


def run_process(
    manifest: Path, out: Path | str, *more: object, faults: Faults = None, **options
) -> subprocess.CompletedProcess[str]:
    """A run with the null engine as a process of its own, on Ray unless the arguments differ."""
    words = [sys.executable, "-m", "pipeline", *run_arguments(manifest, out, *more)]
    options = {"env": environment(faults), **options}
    return subprocess.run(
        words, capture_output=True, text=True, timeout=TIMEOUT_S, check=False, **options
    )


@contextmanager
def started(
    manifest: Path, out: Path | str, *more: object, faults: Faults = None, **options
) -> Iterator[subprocess.Popen[str]]:
    """Such a process while it works. In the end, all that is left of it is killed."""
    words = [sys.executable, "-m", "pipeline", *run_arguments(manifest, out, *more)]
    defaults = {
        "env": environment(faults),
        "stdout": subprocess.PIPE,
        "stderr": subprocess.PIPE,
        "text": True,
        "start_new_session": True,
    }
    with subprocess.Popen(words, **{**defaults, **options}) as process:
        try:
            yield process
        finally:
            kill_all(process)


def family(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """The process and all that it has started."""
    try:
        first = psutil.Process(process.pid)
        return [first, *first.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def kill_all(process: subprocess.Popen[str]) -> None:
    """SIGKILL to the driver and all that it has started on this machine."""
    for member in family(process):
        try:
            member.kill()
        except psutil.NoSuchProcess:
            continue


def workers_below(process: psutil.Process) -> list[psutil.Process]:
    """The processes of Ray's actors among the descendants of a process."""
    found = []
    try:
        children = process.children(recursive=True)
    except psutil.NoSuchProcess:
        return []
    for child in children:
        try:
            title = " ".join(child.cmdline()[:1])
        except psutil.Error:
            continue
        if title.startswith("ray::Worker"):
            found.append(child)
    return found


def workers(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """The processes of the actors of a local run."""
    try:
        return workers_below(psutil.Process(process.pid))
    except psutil.NoSuchProcess:
        return []


def wait_until(
    condition: Callable[[], object], process: subprocess.Popen[str] | None = None
) -> None:
    """Wait for the condition, and fail if the process ends first."""
    deadline = time.monotonic() + TIMEOUT_S
    while not condition():
        assert process is None or process.poll() is None, "the run ended early"
        assert time.monotonic() < deadline, "timed out"
        time.sleep(0.02)


def copy_unfinished(output: Path, folder: Path) -> Path:
    """A copy of a finished run, but not marked as complete."""
    copy = folder / "out"
    shutil.copytree(output, copy)
    write_run(copy, read_run(copy).reopened())
    return copy


def batch_files(out: Path) -> list[Path]:
    return list((out / "_state" / "batches").rglob("*.parquet"))


def published(out: Path) -> dict[str, bytes]:
    """What must not differ between runs: all files of shards/, and the index."""
    return {
        path.name: path.read_bytes()
        for path in sorted([*(out / "shards").iterdir(), out / "metadata.parquet"])
    }


def rows(out: Path) -> list[dict]:
    return pq.read_table(out / "metadata.parquet").to_pylist()
