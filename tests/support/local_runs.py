"""Runs of the null engine within this process: seeded order of completion, injected faults."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.config import Config
from pipeline.errors import RunStopped
from pipeline.execute import Outcome, execute
from pipeline.scheduling.bisection import Task
from pipeline.scheduling.executors.executor import Executor
from pipeline.scheduling.executors.local_executor import LocalExecutor, WorkerFault

DEFAULTS = {"engine": "null", "batch_size": 4, "shard_size": 5, "emotions": ("awe",)}


def write_rows(path: Path, count: int = 30, **columns: list) -> Path:
    """A manifest of `count` rows, each for awe unless `columns` has emotions."""
    path.parent.mkdir(parents=True, exist_ok=True)
    prompts = [f"a dog {number}" for number in range(count)]
    pq.write_table(pa.table({"prompt": prompts, "emotion": ["awe"] * count} | columns), path)
    return path


def run_locally(
    manifest: Path,
    output: Path,
    executor: Executor | None = None,
    on_warning: Callable[[str], None] = print,
    **settings: object,
) -> Outcome:
    """A run, or its resume, on the given executor (by default one worker)."""
    config = Config(**{**DEFAULTS, **settings})
    return execute(str(manifest), output, config, on_warning, executor=executor or LocalExecutor())


def published(output: Path) -> dict[str, bytes]:
    """What must not differ between runs: the files of shards/ and rejected/, and the index."""
    folders = [output / "shards", output / "rejected"]
    files = [path for folder in folders if folder.exists() for path in folder.rglob("*")]
    files += [output / "metadata.parquet", output / "README.md", output / "contact_sheet.png"]
    return {str(path.relative_to(output)): path.read_bytes() for path in files if path.is_file()}


class Killer:
    """For `before_task`: ends a batch's worker as often as the batch's number is listed."""

    def __init__(self, *batches: int, fault: type[WorkerFault] | Callable = WorkerFault):
        self.left, self.fault = [*batches], fault

    def __call__(self, task: Task) -> None:
        if task.batch.number in self.left:
            self.left.remove(task.batch.number)
            raise self.fault()


def stop_at(batch: int | None) -> Callable[[Task], None]:
    """For `before_task`: ends the run at the first task of this batch or a later one."""

    def stop(task: Task) -> None:
        if batch is not None and task.batch.number >= batch:
            raise RunStopped("stopped by the test")

    return stop
