"""The metadata of a request: one fixed schema, in parquet and in JSON."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Iterable, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

_SCORES = pa.list_(pa.float64())

FIELDS = pa.schema(
    [
        ("key", pa.string()),
        ("id", pa.string()),
        ("row", pa.int64()),
        ("batch", pa.int64()),
        ("status", pa.string()),
        ("reason", pa.string()),
        ("task", pa.string()),
        ("prompt", pa.string()),
        ("negative_prompt", pa.string()),
        ("image", pa.string()),
        ("image_sha256", pa.string()),
        ("emotion", pa.string()),
        ("target", _SCORES),
        ("seed", pa.int64()),
        ("candidate", pa.int64()),
        ("rung", pa.string()),
        ("tried", pa.int64()),
        ("spent", pa.int64()),
        ("together", pa.int64()),
        ("judge", _SCORES),
        ("judge_confidence", pa.float64()),
        ("guide", _SCORES),
        ("guide_confidence", pa.float64()),
        ("similarity", pa.float64()),
        ("looks", pa.string()),
        ("inherent", pa.string()),
        ("start_step", pa.int64()),
        ("iterations", pa.int64()),
        ("gradients", pa.int64()),
        ("glances", pa.int64()),
        ("forwards", pa.int64()),
        ("trace_rungs", pa.list_(pa.string())),
        ("trace_costs", pa.list_(pa.int64())),
        ("trace_similarity", _SCORES),
        ("trace_loss", _SCORES),
        ("trace_confidence", _SCORES),
        ("synthetic", pa.bool_()),
    ]
)
TRACES = ("trace_rungs", "trace_costs", "trace_similarity", "trace_loss", "trace_confidence")
"""Lists of varying length: in the parquet only, for some readers take a first empty list as the type of all."""


def record_schema(
    shared: Mapping[str, Any], extra: pa.Schema, scores: Iterable[str] = ()
) -> pa.Schema:
    """The schema of a run's records: the fixed fields, the run's provenance, and the manifest's further columns.

    Args:
        scores: names of the user's own filters, if there are any.
    """
    fields = [*FIELDS, *(pa.field(name, pa.infer_type([value])) for name, value in shared.items())]
    if scores := sorted(scores):
        fields.append(pa.field("scores", pa.struct([(name, pa.float64()) for name in scores])))
    if len(extra):
        fields.append(pa.field("manifest", pa.struct(list(extra))))
    return _as_read(pa.schema(fields))


def _as_read(schema: pa.Schema) -> pa.Schema:
    """The schema as a parquet file gives it back, with its own names for the elements of lists.

    What is made of a corpus again then has the same bytes.
    """
    sink = pa.BufferOutputStream()
    pq.write_table(schema.empty_table(), sink)
    return pq.read_schema(pa.BufferReader(sink.getvalue())).remove_metadata()


def from_parquet(data: bytes, columns: list[str] | None = None) -> pa.Table:
    """The table in a parquet file's bytes, or some of its columns.

    Without threads: those that Arrow starts to read ahead (`read_table` does so whatever it is told) may still run as
    the interpreter ends, and the process then aborts. About one of thirty did, on a busy machine.
    """
    return pq.ParquetFile(pa.BufferReader(data)).read(columns=columns, use_threads=False)


def to_table(records: list[dict[str, Any]], schema: pa.Schema) -> pa.Table:
    return pa.Table.from_pylist(records, schema=schema)


def to_json(record: Mapping[str, Any]) -> bytes:
    """A sample's JSON: sorted keys, the same keys in every sample, no traces."""
    told = {key: value for key, value in record.items() if key not in TRACES}
    return json.dumps(
        _finite(told), sort_keys=True, ensure_ascii=False, allow_nan=False, default=_plain
    ).encode()


def _finite(value: Any) -> Any:
    """The value with null for every number that JSON does not know: manifests may hold NaN and infinities."""
    if isinstance(value, Mapping):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _plain(value: Any) -> Any:
    """Manifest values that JSON does not know: bytes in base64, dates and decimals as text."""
    return base64.b64encode(value).decode() if isinstance(value, bytes) else str(value)
