"""The plan in numbers, before anything is made."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from manifests.read import check, rows_of
from manifests.schema import Row
from pipeline.config import Config
from pipeline.planning import plan
from pipeline.run import fetched_manifest
from pipeline.storage.files import Location, write_bytes


def preview(manifest_path: str, config: Config, output: Location | None) -> dict[str, Any]:
    """The plan in numbers, without models; with `output`, every request as a row of that parquet file."""
    with fetched_manifest(manifest_path, config.store_timeout_s) as local:
        return _preview(local, config, output)


def _preview(manifest_path: str, config: Config, output: Location | None) -> dict[str, Any]:
    labels = config.taxonomy.labels
    tasks: Counter[str] = Counter(generate=0, edit=0)
    emotions: Counter[str] = Counter()

    def count(row: Row) -> None:
        room = config.limit - tasks.total() if config.limit else None
        names = [" + ".join(emotion) for emotion in row.emotions[:room]] or config.emotions[:room]
        tasks["generate" if row.image is None else "edit"] += len(names)
        emotions.update(names)

    manifest = check(manifest_path, labels, len(config.emotions), count)
    if output is not None:
        write_bytes(
            output, _table(plan.plan_requests(rows_of(manifest, labels), config), config.batch_size)
        )
    requests = plan.planned_requests(manifest, config)
    return {
        "rows": manifest.rows,
        "requests": requests,
        "batches": -(-requests // config.batch_size),
        "shards_at_most": -(-requests // config.shard_size),
        "tasks": dict(tasks),
        "emotions": dict(emotions),
    }


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


def _table(requests: Iterator[plan.PlannedRequest], batch_size: int) -> bytes:
    """A parquet file of the requests, a group of rows at a time."""
    sink = pa.BufferOutputStream()
    with pq.ParquetWriter(sink, SCHEMA) as writer:
        while rows := [
            {
                "key": request.key,
                "batch": int(request.key) // batch_size,
                "row": request.row,
                "prompt": request.prompt,
                "emotion": json.dumps(dict(request.emotion)),
                "seed": request.seed,
            }
            for request in itertools.islice(requests, ROWS_AT_ONCE)
        ]:
            writer.write_table(pa.Table.from_pylist(rows, SCHEMA))
    return sink.getvalue().to_pybytes()
