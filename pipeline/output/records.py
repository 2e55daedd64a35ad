"""The metadata of a request: one dataclass, from which the parquet schema and the JSON derive."""

from __future__ import annotations

import base64
import dataclasses
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pyarrow.types as pat

TEXT, INTEGER, NUMBER = pa.string(), pa.int64(), pa.float64()
TEXTS, INTEGERS, NUMBERS = pa.list_(TEXT), pa.list_(INTEGER), pa.list_(NUMBER)

_LISTS = (
    pa.ListType,
    pa.LargeListType,
    pa.FixedSizeListType,
    pa.ListViewType,
    pa.LargeListViewType,
)

ARROW_TYPE, DESCRIPTION, IN_JSON = "arrow_type", "description", "in_json"


def _column(
    arrow_type: pa.DataType,
    description: str,
    default: Any = dataclasses.MISSING,
    in_json: bool = True,
) -> Any:
    """A field of `Record`: a column of the parquet files, and a key of the samples' JSON."""
    metadata = {ARROW_TYPE: arrow_type, DESCRIPTION: description, IN_JSON: in_json}
    return dataclasses.field(default=default, metadata=metadata)


def _trace(arrow_type: pa.DataType, description: str) -> Any:
    """A list of varying length. Not in the JSON: some readers cannot type an empty list."""
    return _column(arrow_type, description, default=(), in_json=False)


@dataclasses.dataclass(frozen=True)
class Record:
    """How one request of the plan ended.

    The fields without a default come from the plan. The others describe the image that was made,
    and keep their defaults if none was.
    """

    key: str = _column(TEXT, "Unique over the corpus; the name of the sample's files.")
    id: str | None = _column(TEXT, "The manifest's id of the row.")
    row: int = _column(INTEGER, "The manifest's row, from 0.")
    batch: int = _column(INTEGER, "The batch in which it was computed, from 0.")
    status: str = _column(TEXT, "accepted, rejected or failed.")
    reason: str | None = _column(TEXT, "Why it was rejected or failed.")
    task: str = _column(TEXT, "generate or edit.")
    prompt: str = _column(TEXT, "The content, in words.")
    negative_prompt: str = _column(TEXT, "What guidance leads away from; may be empty.")
    image: str | None = _column(TEXT, "Path or URL of the source image of an edit.")
    emotion: str = _column(TEXT, "The target emotion; of a mixture its heaviest.")
    target: Sequence[float] = _column(NUMBERS, "The target's weights over the taxonomy; sum 1.")
    image_sha256: str | None = _column(TEXT, "SHA-256 of the encoded source image.", None)
    seed: int | None = _column(INTEGER, "Seed of the starting noise.", None)
    candidate: int | None = _column(INTEGER, "Which attempt this is, from 0.", None)
    strategy: str | None = _column(TEXT, "What this attempt was: first, refine or reseed.", None)
    attempts: int = _column(INTEGER, "Attempts that were made in all.", 0)
    total_nfe: int = _column(INTEGER, "Network evaluations of all attempts.", 0)
    micro_batch_size: int | None = _column(INTEGER, "Requests that were computed together.", None)
    judge: Sequence[float] | None = _column(NUMBERS, "The judge's probabilities.", None)
    judge_confidence: float | None = _column(NUMBER, "The judge's confidence in the target.", None)
    guide: Sequence[float] | None = _column(NUMBERS, "The guide's probabilities.", None)
    guide_confidence: float | None = _column(NUMBER, "The guide's confidence in the target.", None)
    similarity: float | None = _column(NUMBER, "Cosine of image and prompt by CLIP.", None)
    phash: str | None = _column(TEXT, "Perceptual hash of the image: 64 bits in hex.", None)
    inherent: str | None = _column(TEXT, "The emotion that the content evokes by itself.", None)
    start_step: int | None = _column(INTEGER, "Denoising step at which guidance began.", None)
    updates: int | None = _column(INTEGER, "Updates of the emotion tokens.", None)
    guide_gradients: int | None = _column(INTEGER, "Guide evaluations with a gradient.", None)
    guide_forwards: int | None = _column(INTEGER, "Guide evaluations without a gradient.", None)
    nfe: int | None = _column(INTEGER, "Network evaluations, a backward pass counted as one.", None)
    trace_strategies: Sequence[str] = _trace(TEXTS, "The strategy of each attempt.")
    trace_nfe: Sequence[int] = _trace(INTEGERS, "Network evaluations of each attempt.")
    trace_similarity: Sequence[float] = _trace(NUMBERS, "Similarity at each step until the start.")
    trace_loss: Sequence[float] = _trace(NUMBERS, "The loss at each evaluation of the guide.")
    trace_confidence: Sequence[float] = _trace(NUMBERS, "The guide's confidence at each of them.")
    synthetic: bool = _column(pa.bool_(), "Always true: no image is a photograph.", True)


_FIELDS = dataclasses.fields(Record)
_HAS_DEFAULT = [field for field in _FIELDS if field.default is not dataclasses.MISSING]
DRAWN = {field.name: field.default for field in _HAS_DEFAULT}
"""The columns that describe an image that was made, with their values where none was."""

_NOT_IN_JSON = {field.name for field in _FIELDS if not field.metadata[IN_JSON]}


def to_row(
    record: Record, shared: Mapping[str, Any], manifest: Mapping[str, Any]
) -> dict[str, Any]:
    """A record as a row of the metadata.

    Args:
        shared: what is the same for all samples of the run.
        manifest: the further columns of the manifest's row.
    """
    row = {}
    for field in _FIELDS:
        value = getattr(record, field.name)
        # Lists, as a parquet file gives them back: rows compare equal.
        row[field.name] = [*value] if isinstance(value, tuple) else value
    return {**row, **shared, "manifest": dict(manifest)}


def record_schema(
    shared: Mapping[str, Any], extra: pa.Schema, scores: Iterable[str] = ()
) -> pa.Schema:
    """The schema of a run's rows.

    Args:
        shared: what is the same for all samples of the run.
        extra: the further columns of the manifest.
        scores: names of the run's filters.
    """
    fields = [pa.field(field.name, field.metadata[ARROW_TYPE]) for field in _FIELDS]
    fields += [pa.field(name, pa.infer_type([value])) for name, value in shared.items()]
    if names := sorted(scores):
        fields.append(pa.field("scores", pa.struct([(name, NUMBER) for name in names])))
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

    Read without threads. Those that Arrow starts to read ahead (`read_table` always does) may still
    run when the interpreter ends, and the process then aborts: about one of thirty did, on a busy
    machine.
    """
    return pq.ParquetFile(pa.BufferReader(data)).read(columns=columns, use_threads=False)


def to_table(rows: list[dict[str, Any]], schema: pa.Schema) -> pa.Table:
    """The rows as a table of that schema."""
    return pa.Table.from_pylist(rows, schema=schema)


def to_json(row: Mapping[str, Any]) -> bytes:
    """A sample's JSON: sorted keys, the same keys in every sample, null for what does not apply.

    Traces are left out.
    """
    values = {name: _json_value(row[name]) for name in row if name not in _NOT_IN_JSON}
    return json.dumps(values, sort_keys=True, ensure_ascii=False, allow_nan=False).encode()


def json_schema(schema: pa.Schema) -> pa.Schema:
    """The types of the samples' JSON, as Arrow types, for rows of that schema."""
    fields = [field for field in schema if field.name not in _NOT_IN_JSON]
    fields.sort(key=lambda field: field.name)
    return pa.schema([pa.field(field.name, _json_type(field.type)) for field in fields])


def _json_type(kind: pa.DataType) -> pa.DataType:
    """The type of a value of type `kind` once it was in JSON and back."""
    if isinstance(kind, pa.BaseExtensionType):
        return _json_type(kind.storage_type)
    if pat.is_dictionary(kind) or pat.is_run_end_encoded(kind):
        return _json_type(kind.value_type)
    if pat.is_struct(kind):
        return pa.struct([pa.field(member.name, _json_type(member.type)) for member in kind])
    if pat.is_map(kind):
        entry = {"key": _json_type(kind.key_type), "value": _json_type(kind.item_type)}
        return pa.list_(pa.struct(entry))
    if isinstance(kind, _LISTS):
        return pa.list_(_json_type(kind.value_type))
    if pat.is_null(kind) or pat.is_boolean(kind):
        return kind
    if pat.is_integer(kind):
        return pa.uint64() if pat.is_unsigned_integer(kind) else pa.int64()
    # Everything else is written as text: see `_json_value`.
    return NUMBER if pat.is_floating(kind) else TEXT


def _json_value(value: Any) -> Any:
    """A value as JSON has it.

    NaN and infinities, which JSON lacks, are null; maps, which Arrow gives as pairs, lists of
    {key, value}; bytes base64; dates, times and decimals text.
    """
    if isinstance(value, Mapping):
        return {key: _json_value(member) for key, member in value.items()}
    if isinstance(value, list):
        return [_json_value(member) for member in value]
    if isinstance(value, tuple):
        key, item = value
        return {"key": _json_value(key), "value": _json_value(item)}
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, (bool, int, str)):
        return value
    return base64.b64encode(value).decode() if isinstance(value, bytes) else str(value)
