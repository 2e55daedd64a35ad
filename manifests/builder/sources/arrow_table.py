"""Tables in Arrow's types: parquet, and what `datasets` holds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from manifests import arrow_types
from manifests.builder.item import Skipped, refuse
from manifests.check import shown

ROWS_AT_ONCE = 1024


def _parquet_file(path: str) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(path, pre_buffer=False)
    except (pa.ArrowException, OSError) as error:
        why = f"cannot be read as parquet ({shown(str(error))}); write it again"
        raise refuse(path, why) from None


def parquet_schema(path: str) -> pa.Schema:
    with _parquet_file(path) as file:
        return plain_schema(path, file.schema_arrow)


def plain_schema(path: str, columns: pa.Schema) -> pa.Schema:
    """The columns in their plain types; classes become names.

    Raises:
        ManifestError: a type cannot be kept, or two columns have the same name.
    """
    twice = [name for name, count in Counter(columns.names).items() if count > 1]
    if twice:
        raise refuse(path, "is there twice; names must be unique", twice[0])
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


def parquet_rows(path: str, skipped: Skipped) -> Iterator[tuple[str, dict[str, Any]]]:
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
