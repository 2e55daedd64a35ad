"""A run in numbers, before anything is made and without a model."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from manifests.read import rows_of
from manifests.schema import Row
from pipeline.config import Config
from pipeline.models.locate import check_models
from pipeline.planning.disk_estimate import DiskEstimate, disk_estimate
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
class SourceImages:
    """The source images of a plan, as far as they were looked at.

    Attributes:
        local, remote: how many rows name one of either kind.
        remote_fetched: how many of the remote ones were looked at.
        unusable, cut_to_square: how many of those that were looked at.
        relative_to: the folder or URL that relative paths refer to.
        sizes: how many there are of each width and height.
    """

    local: int
    remote: int
    remote_fetched: int
    unusable: int
    cut_to_square: int
    relative_to: str
    sizes: Mapping[tuple[int, int], int]

    def as_json(self) -> dict[str, Any]:
        """The numbers, with sizes as `64x48`, the commonest first."""
        ranked = sorted(self.sizes.items(), key=lambda item: (-item[1], item[0]))
        sizes = {f"{width}x{height}": count for (width, height), count in ranked}
        return {**vars(self), "sizes": sizes}


@dataclass(frozen=True)
class DryRun:
    """What a run would make.

    Attributes:
        rows: of the manifest.
        requests, batches, shards_at_most: of the run.
        generate, edit: requests of either task by emotion; of a mixture by its members.
        images: the source images, if there are any.
        disk: how large the corpus will be, if that is known.
        forecast: time, GPU-hours and cost; None where nothing was measured to tell them from.
        warnings: of the manifest's making, of models and prompts.
        problems: source images that cannot be used; their requests would fail.
    """

    rows: int
    requests: int
    batches: int
    shards_at_most: int
    generate: Mapping[str, int]
    edit: Mapping[str, int]
    images: SourceImages | None = None
    disk: DiskEstimate | None = None
    forecast: Mapping[str, Any] | None = None
    warnings: Sequence[str] = ()
    problems: Sequence[str] = ()

    @property
    def emotions(self) -> Counter[str]:
        """Requests by emotion."""
        return Counter(self.generate) + Counter(self.edit)

    def as_json(self) -> dict[str, Any]:
        """All numbers, for machines."""
        numbers: dict[str, Any] = {
            "rows": self.rows,
            "requests": self.requests,
            "batches": self.batches,
            "shards_at_most": self.shards_at_most,
            "tasks": {"generate": sum(self.generate.values()), "edit": sum(self.edit.values())},
            "emotions": dict(self.emotions),
            "generate": dict(self.generate),
            "edit": dict(self.edit),
            "disk_estimate": vars(self.disk) if self.disk else None,
            "forecast": self.forecast,
        }
        if self.images:
            numbers["images"] = self.images.as_json()
        return numbers


def dry_run(manifest_path: str, config: Config, output: Location | None) -> DryRun:
    """Check a manifest, its prompts and its images, and count what a run would make.

    Args:
        output: a parquet file to which every request is written as a row (see `SCHEMA`).

    Raises:
        ManifestError: the manifest cannot be used; with all its problems.
        UserError: a model cannot be used, or it is ambiguous what to make of the source.
    """
    notes: list[str] = []
    with fetched_manifest(manifest_path, config, notes.append) as local:
        planned = _dry_run(local, folder_of(manifest_path), config, output)
    return replace(planned, warnings=[*notes, *planned.warnings])


def _dry_run(local: str, base: str, config: Config, output: Location | None) -> DryRun:
    images = ImageCheck(base, config.images, config.store_timeout_s)
    prompts = PromptCheck(config)
    tasks: dict[str, Counter[str]] = {"generate": Counter(), "edit": Counter()}
    counted = 0

    def count(row: Row) -> None:
        nonlocal counted
        left = config.limit - counted if config.limit else None
        names = [" + ".join(emotion) for emotion in row.emotions[:left]] or config.emotions[:left]
        tasks["generate" if row.image is None else "edit"].update(names)
        counted += len(names)
        if names:
            images.add(row)
            prompts.add(row)

    manifest = checked_manifest(local, config, on_row=count)
    model_warnings = [] if config.engine == "null" else check_models(config)
    images.finish()
    if output is not None:
        planned = plan_requests(rows_of(manifest, config.taxonomy.labels), config)
        write_bytes(output, _table(planned, config.batch_size))
    requests = planned_requests(manifest, config)
    return DryRun(
        rows=manifest.rows,
        requests=requests,
        batches=-(-requests // config.batch_size),
        shards_at_most=-(-requests // config.shard_size),
        generate=tasks["generate"],
        edit=tasks["edit"],
        images=_source_images(images, base),
        disk=disk_estimate(requests, config),
        warnings=[*model_warnings, *prompts.warnings],
        problems=_image_problems(images),
    )


def _source_images(images: ImageCheck, base: str) -> SourceImages | None:
    if not images.local and not images.remote:
        return None
    return SourceImages(
        local=images.local,
        remote=images.remote,
        remote_fetched=images.fetched,
        unusable=images.unusable,
        cut_to_square=images.cut,
        relative_to=public(base),
        sizes=dict(images.sizes),
    )


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
