"""A run in numbers, before anything is made and without a model."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from manifests.read import rows_of
from manifests.schema import Row
from pipeline.config import Config
from pipeline.models.locate import check_models
from pipeline.planning.image_check import ImageCheck
from pipeline.planning.manifest_input import (
    checked_manifest,
    fetched_manifest,
    folder_of,
)
from pipeline.planning.plan import PlannedRequest, plan_requests, planned_requests
from pipeline.planning.prompt_check import PromptCheck
from pipeline.storage.files import Location, write_bytes
from pipeline.storage.remote import public

SCHEMA = pa.schema(
    [
        ("key", pa.string()),
        ("batch", pa.int64()),
        ("row", pa.int64()),
        ("prompt", pa.string()),
        ("emotion", pa.string()),
        ("seed", pa.int64()),
    ]
)
ROWS_AT_ONCE = 1 << 16


@dataclass(frozen=True)
class DryRun:
    """What a run would make.

    Attributes:
        numbers: requests, batches and shards, by task and emotion; images, as far as they were
            looked at.
        warnings: of models and prompts.
        problems: source images that cannot be used; their requests would fail.
    """

    numbers: dict[str, Any]
    warnings: list[str]
    problems: list[str]


def dry_run(manifest_path: str, config: Config, output: Location | None) -> DryRun:
    """Check a manifest, its prompts and its images, and count what a run would make.

    Args:
        output: a parquet file to which every request is written as a row (see `SCHEMA`).

    Raises:
        ManifestError: the manifest cannot be used; with all its problems.
        UserError: a model cannot be used.
    """
    notes: list[str] = []
    with fetched_manifest(manifest_path, config, notes.append) as local:
        planned = _dry_run(local, folder_of(manifest_path), config, output)
    return replace(planned, warnings=[*notes, *planned.warnings])


def _dry_run(local: str, base: str, config: Config, output: Location | None) -> DryRun:
    labels = config.taxonomy.labels
    images, prompts = (
        ImageCheck(base, config.images, config.store_timeout_s),
        PromptCheck(config),
    )
    tasks: Counter[str] = Counter(generate=0, edit=0)
    emotions: Counter[str] = Counter()

    def count(row: Row) -> None:
        left = config.limit - tasks.total() if config.limit else None
        names = [" + ".join(emotion) for emotion in row.emotions[:left]] or config.emotions[:left]
        tasks["generate" if row.image is None else "edit"] += len(names)
        emotions.update(names)
        if names:
            images.add(row)
            prompts.add(row)

    manifest = checked_manifest(local, config, on_row=count)
    model_warnings = [] if config.engine == "null" else check_models(config)
    images.finish()
    if output is not None:
        planned = plan_requests(rows_of(manifest, labels), config)
        write_bytes(output, _table(planned, config.batch_size))
    requests = planned_requests(manifest, config)
    numbers: dict[str, Any] = {
        "rows": manifest.rows,
        "requests": requests,
        "batches": -(-requests // config.batch_size),
        "shards_at_most": -(-requests // config.shard_size),
        "tasks": dict(tasks),
        "emotions": dict(emotions),
    }
    if images.local or images.remote:
        numbers["images"] = {
            "local": images.local,
            "remote": images.remote,
            "remote_fetched": images.fetched,
            "unusable": images.unusable,
            "cut_to_square": images.cut,
            "relative_to": public(base),
        }
    return DryRun(numbers, [*model_warnings, *prompts.warnings], _image_problems(images))


def _image_problems(images: ImageCheck) -> list[str]:
    problems = [str(problem) for problem in images.problems]
    if (more := images.unusable - len(problems)) > 0:
        problems.append(f"and {more} more")
    return problems


def _table(requests: Iterator[PlannedRequest], batch_size: int) -> bytes:
    """A parquet file of the requests, made one group of rows at a time."""
    sink = pa.BufferOutputStream()
    with pq.ParquetWriter(sink, SCHEMA) as writer:
        while group := list(itertools.islice(requests, ROWS_AT_ONCE)):
            rows = [_as_row(request, batch_size) for request in group]
            writer.write_table(pa.Table.from_pylist(rows, SCHEMA))
    return sink.getvalue().to_pybytes()


def _as_row(request: PlannedRequest, batch_size: int) -> dict[str, Any]:
    return {
        "key": request.key,
        "batch": int(request.key) // batch_size,
        "row": request.row,
        "prompt": request.prompt,
        "emotion": json.dumps(dict(request.emotion)),
        "seed": request.seed,
    }
