"""Tables in CSV and TSV: records, and columns of numbers or of text."""

from __future__ import annotations

import csv
import itertools
import re
from collections.abc import Callable, Iterator
from decimal import Context, Decimal, InvalidOperation
from typing import Any

import pyarrow as pa

from manifests.builder.item import BadRow, Skipped, refuse
from manifests.builder.sources.text import lines_of

INTEGER = re.compile(r"0|-?[1-9][0-9]*")
NUMBER = re.compile(r"-?(?!0[0-9])([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?")

MAX_DIGITS = 19
"""Of a 64-bit integer."""

OTHER_DELIMITERS = {
    ";": "save it with commas",
    "|": "save it with commas",
    "\t": "name it .tsv",
    ",": "name it .csv",
}
"""Marks that separate the columns of files that are named wrongly, and what to do."""

MAX_FIELD = 1 << 30
"""Characters of a field; the default would refuse JSON within it."""


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


def _csv_header(path: str) -> list[str]:
    """The names of the columns, from the first line."""
    _, names = next(_csv_records(path), (0, []))
    if not names:
        raise refuse(path, "is empty; its first line names the columns, as in prompt,emotion")
    for mark, remedy in OTHER_DELIMITERS.items():
        if len(names) == 1 and mark in names[0] and mark != _delimiter(path):
            raise refuse(path, f"separates its columns by {mark!r}; {remedy}", place="line 1")
    for name in names:
        if not name.strip():
            raise refuse(path, "has a column without a name; name it", place="line 1")
        if names.count(name) > 1:
            raise refuse(path, "is there twice; names must be unique", name, "line 1")
    return names


def csv_schema(path: str) -> pa.Schema:
    """The columns: of whole numbers, of numbers, or of text, by all of their values.

    A column is text where a number of it would not be the one that is written: numbers with leading
    zeros or a plus are codes, and floats hold 53 bits of an integer.
    """
    names = _csv_header(path)
    # The types that hold every field so far, the narrowest first.
    kinds = {name: [*FIELDS] for name in names}
    for _, values in csv_rows(path, Skipped()):
        if isinstance(values, BadRow):
            continue
        for name, value in values.items():
            if value is not None:
                kinds[name] = [kind for kind in kinds[name] if FIELDS[kind](value)]
    return pa.schema([(name, kinds[name][0]) for name in names])


def _is_integer(field: str) -> bool:
    if not INTEGER.fullmatch(field) or len(field) > MAX_DIGITS + 1:
        return False
    return -(2**63) <= int(field) < 2**63


def _is_float(field: str) -> bool:
    """Whether a field is a number that a float prints back, up to zeros at its end."""
    if not NUMBER.fullmatch(field):
        return False
    if INTEGER.fullmatch(field):
        return len(field) <= MAX_DIGITS and abs(int(field)) <= 2**53
    number = float(field)
    try:
        written = Decimal(field)
    except InvalidOperation:  # an exponent beyond all bounds
        return False
    # Its shortest form, or as many digits of it as are written, as `numpy.savetxt` does.
    digits = Context(prec=max(1, len(written.as_tuple().digits)))
    return written in (Decimal(repr(number)), digits.create_decimal(number))


FIELDS: dict[pa.DataType, Callable[[str], bool]] = {
    pa.null(): lambda field: False,
    pa.int64(): _is_integer,
    pa.float64(): _is_float,
    pa.string(): lambda field: True,
}
"""The types of a column, the narrowest first, with which of its fields each holds; all hold an
empty one."""


def csv_value(value: str | None, kind: pa.DataType) -> Any:
    """A field as a value of its column's type."""
    if value is None or not (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
        return value
    return int(value) if pa.types.is_integer(kind) else float(value)


def csv_rows(path: str, skipped: Skipped) -> Iterator[tuple[str, dict[str, str | None] | BadRow]]:
    """Rows with their fields as text; empty ones are None."""
    names = _csv_header(path)
    for number, record in itertools.islice(_csv_records(path), 1, None):
        place = f"line {number}"
        if not any(field.strip() for field in record):
            skipped.add("blank line", f"{path} {place}")
            continue
        if len(record) != len(names):
            message = (
                f"has {len(record)} fields, but the first line names {len(names)} columns; "
                "quote fields that hold the delimiter"
            )
            yield place, BadRow(message)
            continue
        yield place, {name: field or None for name, field in zip(names, record, strict=True)}
