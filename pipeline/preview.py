"""The plan in numbers, before anything is made."""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from manifests.read import check, rows_of
from pipeline import plan
from pipeline.config import Config
from pipeline.run import fetched_manifest, planned_requests
from pipeline.storage import Place, write_bytes


def preview(manifest_path: str, config: Config, output: Place | None) -> dict[str, Any]:
    """The plan in numbers, without models; with `output`, every request as a row of that parquet file."""
    with fetched_manifest(manifest_path, config.patience) as local:
        return _preview(local, config, output)


def _preview(manifest_path: str, config: Config, output: Place | None) -> dict[str, Any]:
    manifest = check(manifest_path, config.taxonomy.labels, len(config.emotions))
    tasks = {"generate": 0, "edit": 0}
    emotions: dict[str, int] = {}
    rows: list[dict[str, Any]] = []
    for request in plan.plan_requests(rows_of(manifest, config.taxonomy.labels), config):
        tasks["generate" if request.image is None else "edit"] += 1
        name = " + ".join(request.emotion)
        emotions[name] = emotions.get(name, 0) + 1
        if output is not None:
            rows.append(
                {
                    "key": request.key,
                    "batch": int(request.key) // config.batch_size,
                    "row": request.row,
                    "prompt": request.prompt,
                    "emotion": json.dumps(dict(request.emotion)),
                    "seed": request.seed,
                }
            )
    if output is not None:
        sink = pa.BufferOutputStream()
        pq.write_table(pa.Table.from_pylist(rows), sink)
        write_bytes(output, sink.getvalue().to_pybytes())
    requests = planned_requests(manifest, config)
    return {
        "rows": manifest.rows,
        "requests": requests,
        "batches": -(-requests // config.batch_size),
        "shards_at_most": -(-requests // config.shard_size),
        "tasks": tasks,
        "emotions": emotions,
    }
