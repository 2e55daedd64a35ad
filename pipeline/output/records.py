"""The metadata of a request: one dataclass, from which columns, JSON and docs derive."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

TEXT, INTEGER, NUMBER = pa.string(), pa.int64(), pa.float64()

ARROW_TYPE, DESCRIPTION, KIND, PREFIX = "arrow_type", "description", "kind", "prefix"

COLUMN, TRACE, GROUP, MEMBER = "column", "trace", "group", "member"
"""Kinds of fields. COLUMN: one column, and one key of the JSON. TRACE: a list of varying length,
stored as JSON text in one column, and not in the samples' JSON. GROUP: a map, of which every member
is a column of its own, and which is one object in the JSON.

GROUP and MEMBER are also the keys under which the Arrow field of a member names the two."""


def _column(arrow_type: pa.DataType, description: str, default: Any = dataclasses.MISSING) -> Any:
    metadata = {KIND: COLUMN, ARROW_TYPE: arrow_type, DESCRIPTION: description}
    return dataclasses.field(default=default, metadata=metadata)


def _trace(description: str) -> Any:
    metadata = {KIND: TRACE, ARROW_TYPE: TEXT, DESCRIPTION: description}
    return dataclasses.field(default=(), metadata=metadata)


def _group(prefix: str, arrow_type: pa.DataType | None, description: str, default: Any) -> Any:
    metadata = {KIND: GROUP, PREFIX: prefix, ARROW_TYPE: arrow_type, DESCRIPTION: description}
    return dataclasses.field(default=default, metadata=metadata)


@dataclasses.dataclass(frozen=True)
class Record:
    """How one request of the plan ended.

    The fields without a default come from the plan. The others describe the image that was made,
    and keep their defaults if none was. What does not apply is null.
    """

    key: str = _column(TEXT, "Unique over the corpus; the name of the sample's files.")
    status: str = _column(TEXT, "`accepted`, `rejected` or `failed`.")
    task: str = _column(TEXT, "`generate` or `edit`.")
    id: str | None = _column(TEXT, "The manifest's id of the row.")
    row: int = _column(INTEGER, "The row of the manifest, from 0.")
    batch: int = _column(INTEGER, "The batch in which it was computed, from 0.")
    prompt: str = _column(TEXT, "The content, in words.")
    negative_prompt: str = _column(TEXT, "What guidance leads away from; may be empty.")
    emotion: str | None = _column(TEXT, "The target emotion; null for a mixture.")
    mixture: str | None = _column(
        TEXT, "The target if it is a mixture, as `awe 0.6 + fear 0.4`; null for one emotion."
    )
    target: Mapping[str, float] = _group(
        "target_", NUMBER, "The target's weight on that emotion; the weights sum to 1.", None
    )
    reason: str | None = _column(TEXT, "Why it was rejected or failed.", None)
    shard: str | None = _column(TEXT, "The tar that holds the sample's files.", None)
    file: str | None = _column(TEXT, "The image's name in that tar.", None)
    prompt_truncated: int | None = _column(
        INTEGER,
        "Tokens at the end of the prompt that the text encoder cannot read; 0 if it reads all.",
        None,
    )
    negative_prompt_truncated: int | None = _column(
        INTEGER, "The same of the negative prompt; null without one that is read.", None
    )
    prompt_windows: int | None = _column(
        INTEGER, "Windows in which the longest prompt of the request was read.", None
    )
    judge_emotion: str | None = _column(TEXT, "The emotion that the judge finds strongest.", None)
    judge_confidence: float | None = _column(
        NUMBER, "How far the judge confirms the target, in [0, 1].", None
    )
    judge: Mapping[str, float] | None = _group(
        "judge_", NUMBER, "The judge's probability of that emotion, in [0, 1].", None
    )
    guide_emotion: str | None = _column(TEXT, "The emotion that the guide finds strongest.", None)
    guide_confidence: float | None = _column(
        NUMBER, "How far the guide confirms the target, in [0, 1].", None
    )
    guide: Mapping[str, float] | None = _group(
        "guide_", NUMBER, "The guide's probability of that emotion, in [0, 1].", None
    )
    similarity: float | None = _column(
        NUMBER, "Cosine of image and prompt by the content judge, in [-1, 1].", None
    )
    scores: Mapping[str, float] | None = _group(
        "score_", NUMBER, "The score of that filter of the run.", None
    )
    source_image: str | None = _column(
        TEXT,
        "Path or URL of the source image of an edit; null if the manifest holds the image.",
        None,
    )
    source_sha256: str | None = _column(
        TEXT, "SHA-256 of the encoded source image as it was first read.", None
    )
    mask: str | None = _column(
        TEXT,
        "Path or URL of the mask of an edit; null without one, and if the manifest holds it.",
        None,
    )
    mask_sha256: str | None = _column(TEXT, "SHA-256 of the encoded mask; null without one.", None)
    mask_share: float | None = _column(
        NUMBER,
        "Share of the edited part of the source image that the mask lets change, in [0, 1].",
        None,
    )
    source_width: int | None = _column(INTEGER, "Width of the upright source image, pixels.", None)
    source_height: int | None = _column(INTEGER, "Its height, pixels.", None)
    source_crop_left: float | None = _column(
        NUMBER, "Left edge of the part of the source image that was edited, pixels.", None
    )
    source_crop_top: float | None = _column(NUMBER, "Its upper edge, pixels.", None)
    source_crop_right: float | None = _column(NUMBER, "Its right edge, pixels.", None)
    source_crop_bottom: float | None = _column(NUMBER, "Its lower edge, pixels.", None)
    source_similarity: float | None = _column(
        NUMBER, "Cosine of an edit and its source image by the content judge, in [-1, 1].", None
    )
    source_ssim: float | None = _column(
        NUMBER, "Structural similarity of an edit and its source image, in [-1, 1].", None
    )
    width: int | None = _column(INTEGER, "Width of the image file, pixels.", None)
    height: int | None = _column(INTEGER, "Its height, pixels.", None)
    made_width: int | None = _column(
        INTEGER,
        "Width at which the model made the image, and guide and judge saw it, pixels.",
        None,
    )
    made_height: int | None = _column(INTEGER, "The height, pixels.", None)
    resize: str | None = _column(
        TEXT,
        "How a source image got that size: `fit`, `crop`, `pad` or `stretch`.",
        None,
    )
    restored: bool | None = _column(
        pa.bool_(), "Whether the edit was put back to the size of its source image.", None
    )
    seed: int | None = _column(INTEGER, "Seed of the starting noise.", None)
    candidate: int | None = _column(INTEGER, "Which attempt this is, from 0.", None)
    attempts: int = _column(INTEGER, "Attempts that were made in all.", 0)
    nfe: int | None = _column(
        INTEGER, "Network evaluations of this attempt; a backward pass counts as one.", None
    )
    total_nfe: int = _column(INTEGER, "Network evaluations of all attempts.", 0)
    guide_gradients: int | None = _column(INTEGER, "Guide evaluations with a gradient.", None)
    guide_forwards: int | None = _column(INTEGER, "Guide evaluations without a gradient.", None)
    updates: int | None = _column(INTEGER, "Updates of the emotion tokens.", None)
    start_step: int | None = _column(
        INTEGER, "Denoising step at which guidance began, from 0; null if it never did.", None
    )
    inherent: str | None = _column(
        TEXT, "The emotion that the content evoked by itself when guidance began.", None
    )
    micro_batch_size: int | None = _column(INTEGER, "Requests that were computed together.", None)
    phash: str | None = _column(TEXT, "Perceptual hash of the image: 64 bits in hex.", None)
    trace_nfe: Sequence[int] = _trace("Network evaluations of each attempt.")
    trace_similarity: Sequence[float] = _trace("Similarity at each step until guidance began.")
    trace_loss: Sequence[float] = _trace("The loss at each evaluation of the guide.")
    trace_confidence: Sequence[float] = _trace("The guide's confidence at each evaluation.")
    manifest: Mapping[str, Any] = _group(
        "",
        None,
        "Every further column of the manifest, under its own name; `manifest_NAME` where that is "
        "the name of a column above.",
        None,
    )


FIELDS = dataclasses.fields(Record)
_PLANNED_WITH_DEFAULT = ("target", "source_image", "mask", "manifest")
DRAWN = tuple(
    field.name
    for field in FIELDS
    if field.default is not dataclasses.MISSING and field.name not in _PLANNED_WITH_DEFAULT
)
"""The fields that describe an image that was made, and why it was kept or not."""


def record_schema(labels: Iterable[str], filters: Iterable[str], extra: pa.Schema) -> pa.Schema:
    """The schema of a run's metadata; the fields of a group's columns name group and member.

    Args:
        labels: the emotions.
        filters: names of the run's filters.
        extra: the further columns of the manifest.
    """
    labels = list(labels)
    members = {
        "target": [(label, NUMBER) for label in labels],
        "judge": [(label, NUMBER) for label in labels],
        "guide": [(label, NUMBER) for label in labels],
        "scores": [(name, NUMBER) for name in sorted(filters)],
        "manifest": [(field.name, field.type) for field in extra],
    }
    # Without regard to case, as SQL engines compare names.
    names = {field.name.casefold() for field in FIELDS if field.metadata[KIND] != GROUP}
    columns = []
    for field in FIELDS:
        if field.metadata[KIND] != GROUP:
            columns.append(pa.field(field.name, field.metadata[ARROW_TYPE]))
            continue
        for member, arrow_type in members[field.name]:
            name = _free_name(field.metadata[PREFIX] + member, field.name, names)
            names.add(name.casefold())
            origin = {GROUP: field.name, MEMBER: member}
            columns.append(pa.field(name, arrow_type, metadata=origin))
    return as_read(pa.schema(columns))


def _free_name(name: str, group: str, taken: set[str]) -> str:
    """A column name that is not taken: `judge_emotion` may be a column, and `emotion` a label."""
    while name.casefold() in taken:
        name = f"{group}_{name}"
    return name


def as_read(schema: pa.Schema) -> pa.Schema:
    """The schema as a parquet file gives it back, with its own names for the elements of lists.

    What is made of a corpus again then has the same bytes.
    """
    sink = pa.BufferOutputStream()
    pq.write_table(schema.empty_table(), sink)
    return pq.read_schema(pa.BufferReader(sink.getvalue())).remove_metadata()


def from_parquet(data: bytes, columns: list[str] | None = None) -> pa.Table:
    """The table in a parquet file's bytes, or some of its columns."""
    return open_parquet(pa.BufferReader(data)).read(columns=columns, use_threads=False)


def open_parquet(file: Any) -> pq.ParquetFile:
    """A parquet file, to be read without threads; so `use_threads=False` has to be given, too.

    Threads that Arrow starts to read ahead (`read_table` always does) may still run when the
    interpreter ends, and the process then aborts: about one of thirty did, on a busy machine.

    Args:
        file: open, and readable at any position.
    """
    return pq.ParquetFile(file, pre_buffer=False)


def to_table(rows: list[dict[str, Any]], schema: pa.Schema) -> pa.Table:
    """The rows as a table of that schema."""
    return pa.Table.from_pylist(rows, schema=schema)
