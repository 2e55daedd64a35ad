"""Rows that a program holds in memory, as the table of a manifest."""

from __future__ import annotations

import io
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from manifests import schema
from manifests.arrow_types import NO_TYPE, empty_object

MIXTURE = pa.map_(pa.string(), pa.float64())


def table_of(rows: Any) -> pa.Table:
    """The table of a manifest's rows.

    The table belongs to no folder, so relative paths of images are those of the current one, and
    are made absolute. PIL images are encoded as PNG.

    Args:
        rows: a list of dicts, an Arrow table, or a DataFrame of pandas or polars.

    Raises:
        ValueError: it is something else, has no rows, or a column has values of several types.
    """
    if isinstance(rows, pa.Table):
        table = rows
    elif hasattr(rows, "to_arrow"):  # polars
        _refuse_objects(rows)
        table = rows.to_arrow()
    elif hasattr(rows, "to_dict") and hasattr(rows, "columns"):  # pandas
        names = _names(rows.columns)
        _refuse_repeated(names)
        table = _table({name: rows[name].tolist() for name in names}, rows)
    elif isinstance(rows, Sequence) and all(isinstance(row, Mapping) for row in rows):
        # A key that only some rows have is null in the others.
        keys = dict.fromkeys(_names(name for row in rows for name in row))
        table = _table({name: [row.get(name) for row in rows] for name in keys})
    else:
        raise ValueError(
            f"the manifest is a {type(rows).__name__}; give a path, a list of dicts, an Arrow "
            "table or a DataFrame"
        )
    _refuse_repeated(table.column_names)
    if table.num_rows == 0:
        raise ValueError("the manifest has no rows; give at least one")
    if empty := empty_object(table.schema):
        raise ValueError(f"column {empty}: its objects are empty; leave the column out")
    return _with_absolute_paths(table)


def _names(columns: Iterable[Any]) -> list[str]:
    """
    Raises:
        ValueError: one of them is no text.
    """
    names = list(columns)
    for name in names:
        if not isinstance(name, str):
            raise ValueError(f"column {name!r}: its name is no text; rename it")
    return names


def _refuse_repeated(names: Sequence[str]) -> None:
    """
    Raises:
        ValueError: several columns have the same name.
    """
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise ValueError(f"column {twice[0]}: is there twice; names must be unique")


def _refuse_objects(frame: Any) -> None:
    """
    Raises:
        ValueError: a column of a polars DataFrame holds Python objects.
    """
    for name, kind in getattr(frame, "schema", {}).items():
        if str(kind) == "Object":
            raise ValueError(
                f"column {name}: holds Python objects, of which polars gives the addresses alone; "
                "make it text, numbers or bytes, or give the rows as frame.to_dicts()"
            )


def _table(columns: Mapping[str, Sequence[Any]], frame: Any = None) -> pa.Table:
    """
    Args:
        frame: the pandas DataFrame that they come from; its plain columns have types of their own.
    """
    arrays = {}
    for name, values in columns.items():
        kind, of_frame = None, frame
        if name == schema.EMOTION:
            (values, kind), of_frame = _emotions(values), None
        elif name in (schema.IMAGE, schema.MASK):
            values, of_frame = [_image(value) for value in values], None
        try:
            if of_frame is None:
                arrays[name] = pa.array(values, kind)
            else:
                arrays[name] = pa.Array.from_pandas(of_frame[name])
        except NO_TYPE as error:
            raise ValueError(f"column {name}: its values have no common type ({error})") from None
    return pa.table(arrays)


def _emotions(values: Sequence[Any]) -> tuple[list[Any], pa.DataType | None]:
    """Names, lists of names, or mixtures, with their type; names among mixtures become mixtures of
    one."""
    if not any(isinstance(value, Mapping) for value in values):
        return [None if _is_missing(value) else value for value in values], None
    return [_mixture(value) for value in values], MIXTURE


def _mixture(value: Any) -> list[tuple[str, float]] | None:
    if _is_missing(value):
        return None
    if isinstance(value, str):
        return [(value, 1.0)]
    if isinstance(value, Mapping):
        return [(name, weight) for name, weight in value.items() if weight is not None]
    raise ValueError(
        f"column {schema.EMOTION}: {value!r} is a list beside mixtures; write each of its emotions "
        "as a row of its own"
    )


def _is_missing(value: Any) -> bool:
    """Whether a value is None, or the NaN that pandas has in its place."""
    return value is None or (isinstance(value, float) and math.isnan(value))


def _image(value: Any) -> Any:
    """A path, a URL or bytes as they are; a PIL image as bytes."""
    if isinstance(value, Path):
        return str(value)
    if not hasattr(value, "save"):
        return None if _is_missing(value) else value
    encoded = io.BytesIO()
    value.save(encoded, "PNG")
    return encoded.getvalue()


def _with_absolute_paths(table: pa.Table) -> pa.Table:
    for name in (schema.IMAGE, schema.MASK):
        if name not in table.column_names:
            continue
        column = table[name]
        if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
            paths = [_absolute(text) for text in column.to_pylist()]
            table = table.set_column(table.column_names.index(name), name, [paths])
    return table


def _absolute(text: str | None) -> str | None:
    """A relative path seen from the current folder; a URL, or an empty text, as it is."""
    if not text or "://" in text:
        return text
    return str(Path(text).absolute())
