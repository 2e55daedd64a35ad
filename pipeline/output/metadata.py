"""The index of a corpus: `metadata.parquet`, one row for each planned request, and counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.generation.verdicts import ACCEPTED, STATUSES
from pipeline.output.markers import read_markers, shard_folder
from pipeline.output.records import from_parquet
from pipeline.storage.files import Location, write_bytes

METADATA_FILE = "metadata.parquet"


def write_metadata(output: Location, schema: pa.Schema, unsharded: list[dict[str, Any]]) -> None:
    """Write `metadata.parquet` in the order of the plan.

    Args:
        unsharded: the rows that are in no shard; there are some only if nothing was accepted.
    """
    sink = pa.BufferOutputStream()
    with pq.ParquetWriter(sink, schema, compression="zstd") as writer:
        for marker in read_markers(output):
            path = shard_folder(output) / f"{marker.name}.parquet"
            writer.write_table(read_table(path).cast(schema))
        if unsharded:
            writer.write_table(pa.Table.from_pylist(unsharded, schema=schema))
    write_bytes(output / METADATA_FILE, sink.getvalue().to_pybytes())


def read_table(path: Location, columns: list[str] | None = None) -> pa.Table:
    """A parquet file, or some of its columns."""
    return from_parquet(path.read_bytes(), columns)


def count_samples(output: Location, labels: Sequence[str]) -> dict[str, Any]:
    """Counts of the whole corpus: by status, by task, and accepted of requested for each emotion.

    Args:
        labels: the emotions, in the order in which they are listed.
    """
    table = read_table(output / METADATA_FILE, ["status", "emotion", "task"])
    statuses, tasks, requested = Counter[str](), Counter[str](), Counter[str]()
    accepted = Counter[str]()
    groups = table.group_by(table.column_names).aggregate([([], "count_all")])
    for group in groups.to_pylist():
        count = group["count_all"]
        statuses[group["status"]] += count
        tasks[group["task"]] += count
        requested[group["emotion"]] += count
        if group["status"] == ACCEPTED:
            accepted[group["emotion"]] += count
    emotions = {}
    for label in labels:
        if requested[label]:
            emotions[label] = {"requests": requested[label], "accepted": accepted[label]}
    return {
        "requests": table.num_rows,
        **{status: statuses[status] for status in STATUSES},
        "emotions": emotions,
        "tasks": dict(sorted(tasks.items())),
    }
