"""Tables in CSV and TSV: records, and columns of numbers or of text."""

from __future__ import annotations

import csv
import itertools
import re
from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from manifests.builder.item import BadRow, Skipped, refuse
from manifests.builder.sources.text import lines_of

FIELDS = (
    (re.compile(r""), pa.null()),
    (re.compile(r"-?(0|[1-9]\d{0,17})"), pa.int64()),
    (re.compile(r"[-+]?(?!0\d)(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?"), pa.float64()),
    (re.compile(r".*", re.DOTALL), pa.string()),
)
"""The type of a column, by what all of its fields match."""

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

    Numbers with leading zeros are text: they are codes.
    """
    names = _csv_header(path)
    # A column begins as empty, and becomes what holds the next of its fields, too.
    kinds = dict.fromkeys(names, 0)
    for _, values in csv_rows(path, Skipped()):
        if isinstance(values, BadRow):
            continue
        for name, value in values.items():
            while value is not None and not FIELDS[kinds[name]][0].fullmatch(value):
                kinds[name] += 1
    return pa.schema([(name, FIELDS[kinds[name]][1]) for name in names])


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
