"""Tables: CSV, TSV, lines of JSON, and parquet."""

from __future__ import annotations

import csv
import itertools
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from manifests import arrow_types, schema
from manifests.builder.columns import renames
from manifests.builder.item import Item, Skipped, refuse
from manifests.builder.text import lines_of
from manifests.check import shown

ROWS_AT_ONCE = 1024

MAX_FIELD = 1 << 30
"""Characters of a field of a CSV file; the default would refuse JSON within it."""


class TableSource:
    """A table, whose kind is told by its name; see `manifests.builder.item.Source`.

    Args:
        mapping: our column to theirs.

    Raises:
        ManifestError: it cannot be read, or has no usable columns.
    """

    is_folder = False

    def __init__(self, path: str, mapping: Mapping[str, str]):
        self.path, self.folder = path, str(Path(path).resolve().parent)
        self.notes: list[str] = []
        kind = Path(path).suffix.lower()
        self._read = {".jsonl": _json_rows, ".ndjson": _json_rows, ".parquet": _parquet_rows}.get(
            kind, _csv_rows
        )
        theirs = {
            ".jsonl": _json_schema,
            ".ndjson": _json_schema,
            ".parquet": _parquet_schema,
        }.get(kind, _csv_schema)(path)
        self.renamed = renames(path, theirs.names, mapping, self.notes)
        ours = pa.schema([field.with_name(self.renamed[field.name]) for field in theirs])
        self.extra = pa.schema([field for field in ours if field.name not in schema.COLUMNS])
        self.image_kind = image_kind(path, ours)

    def items(self, skipped: Skipped) -> Iterator[Item]:
        """Its rows; lines without anything are skipped."""
        for place, values in self._read(self.path, skipped):
            named = {self.renamed.get(name, name): value for name, value in values.items()}
            yield Item(place, named)


def image_kind(path: str, columns: pa.Schema) -> pa.DataType | None:
    """The type of a table's images as a manifest keeps them.

    Raises:
        ManifestError: they cannot be images.
    """
    if schema.IMAGE not in columns.names:
        return None
    kind = columns.field(schema.IMAGE).type
    if why := arrow_types.type_problem(schema.IMAGE, kind):
        raise refuse(path, why, schema.IMAGE)
    return None if pa.types.is_null(kind) else kind


def _delimiter(path: str) -> str:
    return "\t" if path.lower().endswith(".tsv") else ","


def _csv_records(path: str) -> Iterator[tuple[int, list[str]]]:
    """Records with the line on which they end."""
    csv.field_size_limit(MAX_FIELD)
    lines = (line for _, line in lines_of(path))
    reader = csv.reader(lines, delimiter=_delimiter(path), strict=True)
    while True:
        try:
            record = next(reader, None)
        except csv.Error as error:
            message = f"is not valid ({error}); check its quotes"
            raise refuse(path, message, place=f"line {reader.line_num}") from None
        if record is None:
            return
        yield reader.line_num, record


def _csv_schema(path: str) -> pa.Schema:
    """The columns of the first line, all of text."""
    _, names = next(_csv_records(path), (0, []))
    if not names:
        raise refuse(path, "is empty; its first line names the columns, as in prompt,emotion")
    for name in names:
        if not name.strip():
            raise refuse(path, "has a column without a name; name it", place="line 1")
        if names.count(name) > 1:
            raise refuse(path, "is there twice; names must be unique", name, "line 1")
    return pa.schema([(name, pa.string()) for name in names])


def _csv_rows(path: str, skipped: Skipped) -> Iterator[tuple[str, dict[str, Any]]]:
    records = _csv_records(path)
    _, names = next(records)
    for number, record in records:
        place = f"line {number}"
        if not any(field.strip() for field in record):
            skipped.add("blank line", f"{path} {place}")
            continue
        if len(record) != len(names):
            message = (
                f"has {len(record)} fields, but the first line names {len(names)} columns; "
                "quote fields that hold the delimiter"
            )
            raise refuse(path, message, place=place)
        # An empty field is none.
        yield place, {name: field or None for name, field in zip(names, record, strict=True)}


def _json_objects(path: str, skipped: Skipped) -> Iterator[tuple[str, dict[str, Any]]]:
    for number, line in lines_of(path):
        place = f"line {number}"
        if not line.strip():
            skipped.add("blank line", f"{path} {place}")
            continue
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:
            message = f"is not JSON ({error}); write one object a line"
            raise refuse(path, message, place=place) from None
        if not isinstance(value, dict):
            raise refuse(path, f"is {shown(value)}; write one object a line", place=place)
        yield place, value


def _json_rows(path: str, skipped: Skipped) -> Iterator[tuple[str, dict[str, Any]]]:
    return _json_objects(path, skipped)


def _json_schema(path: str) -> pa.Schema:
    """The columns of all objects, with a type that holds the values of each."""
    found = pa.schema([])
    objects = _json_objects(path, Skipped())
    while chunk := list(itertools.islice(objects, ROWS_AT_ONCE)):
        names = dict.fromkeys(name for _, values in chunk for name in values)
        for name in names:
            found = _extended(path, found, name, [(place, v.get(name)) for place, v in chunk])
    if not found.names:
        raise refuse(path, 'holds no object; write one a line, as in {"prompt": "a dog"}')
    return found


def _extended(
    path: str, found: pa.Schema, name: str, values: Iterable[tuple[str, Any]]
) -> pa.Schema:
    """The schema with a column that holds these values, too."""
    if name in (schema.EMOTION, schema.IMAGE, schema.PROMPT):
        # Emotions are written in several forms; all three are checked row by row.
        field = pa.field(name, pa.string())
    else:
        values = list(values)
        try:
            field = pa.field(name, pa.infer_type([value for _, value in values]))
        except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError) as error:
            message = f"mixes types ({shown(str(error))}); write one type in all lines"
            raise refuse(path, message, name, f"{values[0][0]} or later") from None
    try:
        return pa.unify_schemas([found, pa.schema([field])], promote_options="permissive")
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        message = f"changes its type ({shown(str(error))}); write one type in all lines"
        raise refuse(path, message, name) from None


def _parquet_file(path: str) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(path, pre_buffer=False)
    except (pa.ArrowException, OSError) as error:
        why = f"cannot be read as parquet ({shown(str(error))}); write it again"
        raise refuse(path, why) from None


def _parquet_schema(path: str) -> pa.Schema:
    with _parquet_file(path) as file:
        return plain_schema(path, file.schema_arrow)


def plain_schema(path: str, columns: pa.Schema) -> pa.Schema:
    """The columns in their plain types; classes become names.

    Raises:
        ManifestError: a type cannot be kept.
    """
    fields = []
    for field in columns:
        try:
            kind = arrow_types.plain_type(field)
        except arrow_types.UnsupportedTypeError as error:
            raise refuse(path, str(error), field.name) from None
        if arrow_types.class_names(columns, field.name):
            kind = pa.list_(pa.string()) if pa.types.is_list(kind) else pa.string()
        fields.append(pa.field(field.name, kind))
    return pa.schema(fields)


def _parquet_rows(path: str, skipped: Skipped) -> Iterator[tuple[str, dict[str, Any]]]:
    with _parquet_file(path) as file:
        batches = file.iter_batches(batch_size=ROWS_AT_ONCE, use_threads=False)
        yield from rows_of_batches(path, file.schema_arrow, batches)


def rows_of_batches(
    path: str, columns: pa.Schema, batches: Iterable[pa.RecordBatch]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Rows with their places, numbered from 0.

    Raises:
        ManifestError: the data are damaged, or hold values that cannot be kept.
    """
    plain = plain_schema(path, columns)
    classes = {name: arrow_types.class_names(columns, name) for name in columns.names}
    number = 0
    for batch in _whole(path, batches):
        values: dict[str, list[Any]] = {}
        for name, array in zip(batch.schema.names, batch.columns, strict=True):
            try:
                kind = array.type if classes[name] else plain.field(name).type
                values[name] = arrow_types.to_plain(array, kind).to_pylist()
            except (pa.ArrowException, ValueError) as error:
                raise refuse(path, f"cannot be read: {shown(str(error))}", name) from None
            if classes[name]:
                values[name] = [class_name(value, classes[name]) for value in values[name]]
        for row in zip(*values.values(), strict=True):
            yield f"row {number}", dict(zip(values, row, strict=True))
            number += 1


def class_name(value: Any, classes: list[str]) -> Any:
    """The name of a class, or the names of a list of them. -1 is none, as `datasets` has it."""
    if isinstance(value, list):
        return [class_name(item, classes) for item in value]
    if not isinstance(value, int) or value == -1:
        return None
    return classes[value] if 0 <= value < len(classes) else f"class {value}"


def _whole(path: str, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    try:
        yield from batches
    except (OSError, pa.ArrowException) as error:
        raise refuse(path, f"is damaged ({shown(str(error))}); write it again") from None
