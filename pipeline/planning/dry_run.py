"""A run in numbers, before anything is made and without a model."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.config import Config
from pipeline.errors import UserError
from pipeline.forecast.forecast import Forecast
from pipeline.generation.scores import providers
from pipeline.models.locate import check_models
from pipeline.output.records import from_parquet
from pipeline.planning.checks.edit_warnings import EMBEDDED_SIZE, photograph_warning
from pipeline.planning.checks.placement import check_placement
from pipeline.planning.checks.unused_settings import unused_settings
from pipeline.planning.disk_estimate import DiskEstimate, disk_estimate
from pipeline.planning.manifest_input import (
    OnProgress,
    batches_of,
    check_quota_column,
    fetched_manifest,
    folder_of,
    no_progress,
)
from pipeline.planning.manifest_summary import ManifestSummary, listed, summarize
from pipeline.planning.plan import Batch, PlannedRequest
from pipeline.planning.request_sizes import ranked
from pipeline.storage.files import Location, first_write, read_file, write_bytes
from pipeline.storage.targets import refuse_target

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
        contents: of the manifest.
        batches, shards_at_most: of the run.
        disk: how large the corpus will be, if that is known.
        forecast: time, GPU-hours and cost; None where nothing was measured to tell them from.
        warnings: of the manifest's making, of models and prompts.
        problems: source images that cannot be used; their requests would fail.
    """

    contents: ManifestSummary
    batches: int
    shards_at_most: int
    disk: DiskEstimate | None
    warnings: Sequence[str]
    problems: Sequence[str]
    forecast: Forecast | None = None

    @property
    def requests(self) -> int:
        return self.contents.requests

    @property
    def tasks(self) -> dict[str, int]:
        """Requests by task."""
        generate, edit = self.contents.generate.values(), self.contents.edit.values()
        return {"generate": sum(generate), "edit": sum(edit)}

    def as_json(self) -> dict[str, Any]:
        """All numbers, for machines."""
        contents = self.contents
        numbers: dict[str, Any] = {
            "rows": contents.manifest.rows,
            "requests": contents.requests,
            "batches": self.batches,
            "shards_at_most": self.shards_at_most,
            "tasks": self.tasks,
            "emotions": dict(contents.emotions),
            "generate": dict(contents.generate),
            "edit": dict(contents.edit),
            "masked_edits": contents.masked,
            "cut_prompts": sum(contents.cut_prompts.values()),
            "repeated_rows": contents.repeated,
            "generate_sizes": ranked(contents.request_sizes.generate),
            "disk_estimate": self.disk.as_json() if self.disk else None,
            "forecast": self.forecast.as_json() if self.forecast else None,
        }
        if contents.images:
            numbers["images"] = contents.images.as_json()
        return numbers


def _refuse_file(output: Location) -> None:
    """Refuse to write requests where anything is but requests of an earlier plan.

    Raises:
        UserError: with the remedy.
    """
    refuse_target(output)
    if not output.name.endswith(".parquet"):
        raise UserError(f"{output}: requests are written as parquet; give a name in .parquet")
    if not output.exists():
        return
    try:
        is_plan = from_parquet(read_file(output)).schema.equals(SCHEMA)
    except (OSError, ValueError, pa.ArrowException):
        is_plan = False
    if not is_plan:
        raise UserError(f"{output} exists and has no requests of a plan; give another --output")


def dry_run(
    manifest_path: str,
    config: Config,
    output: Location | None,
    on_progress: OnProgress = no_progress,
) -> DryRun:
    """Check a manifest, its prompts and its images, and count what a run would make.

    Args:
        output: a parquet file to which every request is written as a row (see `SCHEMA`).
        on_progress: is called with the number of rows that were checked, and of all.

    Raises:
        ManifestError: the manifest cannot be used; with all its problems.
        UserError: a model cannot be used, no package offers a filter, the quota's column is not
            there, it is ambiguous what to make of the source, or `output` is a file of another
            kind.
    """
    notes: list[str] = []
    if output is not None:
        _refuse_file(output)
    check_placement(config)
    with fetched_manifest(manifest_path, config, notes.append) as local:
        contents = summarize(local, folder_of(manifest_path), config, on_progress)
        check_quota_column(contents.manifest, config)
        providers(config)
        notes += [] if config.engine == "null" else check_models(config)
        if output is not None:
            with first_write(output):
                write_bytes(output, _table(batches_of(contents.manifest, config)))
    unused = unused_settings(config)
    photographs = contents.images.sizes if contents.images else {}
    return DryRun(
        contents=contents,
        batches=-(-contents.requests // config.batch_size),
        shards_at_most=-(-contents.requests // config.shard_size),
        disk=disk_estimate(contents.request_sizes, config, photographs),
        warnings=[*notes, *contents.warnings, *_of_photographs(contents, config), *unused],
        problems=listed(contents.problems, contents.images.unusable if contents.images else 0),
    )


def _of_photographs(contents: ManifestSummary, config: Config) -> Iterator[str]:
    """A warning if the embedded model is to edit images of another size than its own world's."""
    images = contents.images
    if images is None or not config.draws_embedded:
        return
    foreign = sum(count for size, count in images.sizes.items() if size != EMBEDDED_SIZE)
    if foreign:
        yield photograph_warning(f"{foreign} source image(s) are not")


def _table(batches: Iterator[Batch]) -> bytes:
    """A parquet file of the requests, made one group of rows at a time."""
    sink = pa.BufferOutputStream()
    rows = (_as_row(request, batch.number) for batch in batches for request in batch.requests)
    with pq.ParquetWriter(sink, SCHEMA) as writer:
        while group := list(itertools.islice(rows, ROWS_AT_ONCE)):
            writer.write_table(pa.Table.from_pylist(group, SCHEMA))
    return sink.getvalue().to_pybytes()


def _as_row(request: PlannedRequest, batch: int) -> dict[str, Any]:
    return {
        "key": request.key,
        "batch": batch,
        "row": request.row,
        "prompt": request.prompt,
        "emotion": json.dumps(dict(request.emotion)),
        "seed": request.seed,
    }
