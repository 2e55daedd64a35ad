"""The index of a corpus: `metadata.parquet`, one row for each planned request, and counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.generation.verdicts import ACCEPTED, STATUSES
from pipeline.output.integrity import read_shard_file
from pipeline.output.markers import read_markers
from pipeline.output.records import from_parquet
from pipeline.storage.files import Location, write_bytes

METADATA_FILE = "metadata.parquet"

MAX_MIXTURES = 100
"""Mixtures that are counted by name."""

OTHER_MIXTURES = "other mixtures"


def write_metadata(output: Location, schema: pa.Schema) -> None:
    """Write `metadata.parquet` in the order of the plan."""
    sink = pa.BufferOutputStream()
    with pq.ParquetWriter(sink, schema, compression="zstd") as writer:
        for marker in read_markers(output):
            rows = from_parquet(read_shard_file(output, marker, "parquet"))
            writer.write_table(rows.cast(schema))
    write_bytes(output / METADATA_FILE, sink.getvalue().to_pybytes())


def read_table(path: Location, columns: list[str] | None = None) -> pa.Table:
    """A parquet file, or some of its columns."""
    return from_parquet(path.read_bytes(), columns)


def count_samples(output: Location, labels: Sequence[str]) -> dict[str, Any]:
    """Counts of the whole corpus: by status, by task, and accepted of requested for each target.

    A mixture counts for none of its members. Of more than `MAX_MIXTURES` mixtures those that are
    requested most are counted by name, the others together.

    Args:
        labels: the emotions, in the order in which they are listed.
    """
    columns = ["status", "task", "emotion", "mixture"]
    table = read_table(output / METADATA_FILE, columns)
    statuses, tasks = Counter[str](), Counter[str]()
    emotions, mixtures = _TargetCounts(), _TargetCounts()
    groups = table.group_by(columns).aggregate([([], "count_all")])
    for group in groups.to_pylist():
        count, accepted = group["count_all"], group["status"] == ACCEPTED
        statuses[group["status"]] += count
        tasks[group["task"]] += count
        if group["emotion"] is None:
            mixtures.add(group["mixture"], count, accepted)
        else:
            emotions.add(group["emotion"], count, accepted)
    return {
        "requests": table.num_rows,
        **{status: statuses[status] for status in STATUSES},
        "emotions": emotions.table([label for label in labels if emotions.requested[label]]),
        "mixtures": mixtures.most_requested(),
        "tasks": dict(sorted(tasks.items())),
    }


class _TargetCounts:
    """Requests and accepted samples by the name of their target."""

    def __init__(self) -> None:
        self.requested, self.accepted = Counter[str](), Counter[str]()

    def add(self, name: str, count: int, accepted: bool) -> None:
        self.requested[name] += count
        if accepted:
            self.accepted[name] += count

    def table(self, names: Sequence[str]) -> dict[str, dict[str, int]]:
        return {
            name: {"requests": self.requested[name], "accepted": self.accepted[name]}
            for name in names
        }

    def most_requested(self) -> dict[str, dict[str, int]]:
        ranked = sorted(self.requested, key=lambda name: (-self.requested[name], name))
        table = self.table(ranked[:MAX_MIXTURES])
        if others := ranked[MAX_MIXTURES:]:
            table[OTHER_MIXTURES] = {
                "requests": sum(self.requested[name] for name in others),
                "accepted": sum(self.accepted[name] for name in others),
            }
        return table
