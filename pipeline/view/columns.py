"""The columns of a corpus, read when they are asked for; which rows match, and in which order."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pat

from pipeline.output.rows import json_value
from pipeline.view.rows import FinishedRows

MAX_COLUMNS = 24
"""Columns that are kept in memory."""

MAX_EXACT = 2**53 - 1
"""The largest whole number that JavaScript holds exactly."""

NUMBER, TEXT, OTHER = "number", "text", "other"

OPERATORS: Mapping[str, tuple[str, ...]] = {
    NUMBER: ("at least", "at most", "is", "is empty", "is not empty"),
    TEXT: ("is", "contains", "is empty", "is not empty"),
    OTHER: ("is empty", "is not empty"),
}
"""What can be asked of a column of each kind."""


class QueryError(ValueError):
    """A condition that cannot be asked of the corpus."""


@dataclass(frozen=True)
class Condition:
    """What a column has to be."""

    column: str
    operator: str
    value: str = ""


@dataclass(frozen=True)
class Query:
    """Which rows are wanted, and in which order.

    Attributes:
        conditions: all of which have to hold.
        sort: a column; empty for the order of the plan.
    """

    conditions: tuple[Condition, ...] = ()
    sort: str = ""
    descending: bool = False

    @staticmethod
    def of(values: Any) -> Query:
        """A query from parsed JSON.

        Raises:
            QueryError: that is none.
        """
        try:
            conditions = tuple(
                Condition(str(c["column"]), str(c["operator"]), str(c.get("value", "")))
                for c in values.get("conditions", [])
            )
            return Query(conditions, str(values.get("sort", "")), values.get("descending") is True)
        except (AttributeError, KeyError, TypeError) as error:
            raise QueryError(f"not a query ({error})") from None


class Columns:
    """The columns of all rows, a few of them in memory."""

    def __init__(self, rows: FinishedRows):
        self.rows = rows
        self.kept: OrderedDict[str, pa.ChunkedArray] = OrderedDict()
        self.lock = threading.Lock()

    def kinds(self) -> dict[str, str]:
        """Every column, and whether it holds numbers, text or something else."""
        return {field.name: _kind(field.type) for field in self.rows.schema}

    def column(self, name: str) -> pa.ChunkedArray:
        """
        Raises:
            QueryError: there is no such column.
        """
        if name not in self.rows.schema.names:
            raise QueryError(f"there is no column {name!r}")
        with self.lock:
            if name in self.kept:
                self.kept.move_to_end(name)
            else:
                column = self.rows.column(name)
                # Arrow neither sorts nor compares numbers of half precision.
                half = pat.is_float16(column.type)
                self.kept[name] = column.cast(pa.float32()) if half else column
                if len(self.kept) > MAX_COLUMNS:
                    self.kept.popitem(last=False)
            return self.kept[name]

    def matching(self, query: Query) -> np.ndarray[Any, Any]:
        """The positions of the rows that match, in the order that is asked for; empty ones last.

        Raises:
            QueryError: an unknown column, or a condition that does not fit its column.
        """
        chosen = np.arange(self.rows.count)
        for condition in query.conditions:
            chosen = chosen[self._mask(condition).to_numpy()[chosen]]
        if not query.sort:
            return chosen
        if _kind(self.column(query.sort).type) == OTHER:
            raise QueryError(f"rows cannot be sorted by {query.sort}")
        places = _as_indices(chosen)
        values = pc.take(self.column(query.sort), places)
        order = "descending" if query.descending else "ascending"
        table = pa.table({"value": values, "position": places})
        indices = pc.sort_indices(
            table,
            sort_keys=[("value", order), ("position", "ascending")],
        )
        return chosen[indices.to_numpy()]

    def _mask(self, condition: Condition) -> pa.ChunkedArray:
        column = self.column(condition.column)
        kind = _kind(column.type)
        if condition.operator not in OPERATORS[kind]:
            allowed = ", ".join(OPERATORS[kind])
            raise QueryError(f"{condition.column} can be asked: {allowed}")
        if condition.operator == "is empty":
            return column.is_null()
        if condition.operator == "is not empty":
            return column.is_valid()
        compared = _compared(column, condition, kind)
        return pc.fill_null(compared, False)

    def items(self, positions: Sequence[int], columns: Sequence[str]) -> list[dict[str, Any]]:
        """Some columns of some rows."""
        indices = _as_indices(np.array(positions, dtype=np.int64))
        return pa.table({name: pc.take(self.column(name), indices) for name in columns}).to_pylist()


def _as_indices(positions: np.ndarray[Any, Any]) -> pa.Array:
    """Positions as Arrow takes them. `pa.array` would import pandas first, if that is installed,
    and the page's first rows would come a second later."""
    return pa.Array.from_buffers(
        pa.int64(), len(positions), [None, pa.py_buffer(np.ascontiguousarray(positions))]
    )


def _compared(column: pa.ChunkedArray, condition: Condition, kind: str) -> pa.ChunkedArray:
    """
    Raises:
        QueryError: a number is needed, and something else was given.
    """
    if kind == TEXT:
        text = column.cast(pa.string())
        if condition.operator == "is":
            return pc.equal(text, condition.value)
        return pc.match_substring(text, condition.value, ignore_case=True)
    try:
        number = float(condition.value)
    except ValueError:
        raise QueryError(f"{condition.column}: {condition.value!r} is not a number") from None
    compare = {"at least": pc.greater_equal, "at most": pc.less_equal, "is": pc.equal}
    # A whole number, such as a seed, is compared with whole ones: as floats they would be rounded.
    whole = _whole(condition.value, column.type) if pat.is_integer(column.type) else None
    if whole is not None:
        return compare[condition.operator](column, whole)
    values = column.cast(pa.float64(), safe=False)
    return compare[condition.operator](values, number)


def _whole(text: str, arrow_type: pa.DataType) -> pa.Scalar | None:
    """The whole number that a text is; None if it is none, or the type cannot hold it."""
    try:
        return pa.scalar(int(text), arrow_type)
    except (ValueError, OverflowError, pa.ArrowInvalid):
        return None


def _kind(arrow_type: pa.DataType) -> str:
    if pat.is_integer(arrow_type) or pat.is_floating(arrow_type) or pat.is_boolean(arrow_type):
        return NUMBER
    if pat.is_string(arrow_type) or pat.is_large_string(arrow_type):
        return TEXT
    return OTHER


def as_shown(value: Any) -> Any:
    """A value as a browser shows it: as JSON, and whole numbers that JavaScript would round, such
    as seeds, as text."""
    return _exact(json_value(value))


def _exact(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _exact(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_exact(inner) for inner in value]
    is_large = isinstance(value, int) and abs(value) > MAX_EXACT
    return str(value) if is_large else value
