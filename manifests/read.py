"""Manifests in a stream: rows one at a time, never the whole file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq

from manifests import schema
from manifests.check import (
    MOST,
    MOST_OF_AN_ID,
    NO_FORMAT,
    DuplicateIds,
    ManifestError,
    Problem,
    parse_row,
    shown,
    text_problem,
)
from manifests.schema import Row

ROWS_AT_ONCE = 512


@dataclass(frozen=True)
class Manifest:
    """A manifest that has passed `check`.

    Attributes:
        path: a local path or an fsspec URL.
        rows: how many rows it has.
        requests: how many requests they ask for.
        extra: names and types of the further columns, which travel into the metadata.
    """

    path: str
    rows: int
    requests: int
    extra: pa.Schema


@contextmanager
def _opened(path: str) -> Iterator[pq.ParquetFile]:
    """The manifest as a parquet file whose columns have the right types.

    Raises:
        ManifestError: no such file, not parquet, a column of a wrong type, or no `prompt` column.
    """
    try:
        handle = fsspec.open(path, "rb").open()
    except (OSError, ValueError, ImportError) as error:
        raise ManifestError(path, [Problem(None, None, f"cannot be opened ({error}); check the path")]) from None
    with handle:
        try:
            file = pq.ParquetFile(handle)
        except (pa.ArrowInvalid, OSError):
            hint = "is not a parquet file; write one with pandas.DataFrame.to_parquet or pyarrow"
            raise ManifestError(path, [Problem(None, None, hint)]) from None
        problems = [Problem(None, field.name, why) for field in file.schema_arrow if (why := _type_problem(field))]
        problems += _name_problems(file.schema_arrow.names)
        if schema.PROMPT not in file.schema_arrow.names:
            problems.append(Problem(None, schema.PROMPT, "is missing; every manifest has a prompt column"))
        if problems:
            raise ManifestError(path, problems)
        yield file


def read_rows(
    path: str, labels: Sequence[str], ids: DuplicateIds | None = None
) -> Iterator[tuple[int, Row | None, list[Problem]]]:
    """Every row of the manifest with its number, as parsed or with its problems.

    Raises:
        ManifestError: the file as a whole cannot be used.
    """
    with _opened(path) as file:
        number = 0
        for batch in _batches(path, file):
            for values in _values(path, batch, number):
                row, wrong = parse_row(number, values, labels, ids)
                yield number, row, wrong
                number += 1


def _batches(path: str, file: pq.ParquetFile) -> Iterator[pa.RecordBatch]:
    try:
        yield from file.iter_batches(batch_size=ROWS_AT_ONCE)
    except (OSError, pa.ArrowException) as error:
        why = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ManifestError(path, [Problem(None, None, f"is damaged ({shown(why)}); write it again")]) from None


def _values(path: str, batch: pa.RecordBatch, number: int) -> list[dict[str, Any]]:
    """The rows of a batch whose first is row `number`; what Python cannot hold is told by its column."""
    try:
        return batch.to_pylist()
    except Exception:
        problems = []
        for name in batch.schema.names:
            try:
                batch.column(name).to_pylist()
            except Exception as error:  # bad UTF-8, dates out of range, ...: each has an error of its own
                where = f"cannot be read between rows {number} and {number + batch.num_rows - 1}"
                problems.append(Problem(None, name, f"{where} ({shown(str(error))})"))
        raise ManifestError(path, problems or [Problem(None, None, "has rows that cannot be read")]) from None


def _travel_problems(path: str) -> list[Problem]:
    """Further columns whose values cannot be written as they were read: tried on the first rows."""
    problems = []
    extra = extra_columns(path)
    if not len(extra):
        return []
    with _opened(path) as file:
        for batch in file.iter_batches(batch_size=ROWS_AT_ONCE):
            for field in extra:
                column = [{field.name: value} for value in batch.column(field.name).to_pylist()]
                try:
                    pq.write_table(pa.Table.from_pylist(column, pa.schema([field])), pa.BufferOutputStream())
                except (pa.ArrowException, ValueError, TypeError) as error:
                    why = (
                        f"its type {field.type} cannot travel into the metadata ({shown(str(error))}); drop or cast it"
                    )
                    problems.append(Problem(None, field.name, why))
            break
    return problems


def extra_columns(path: str) -> pa.Schema:
    """The columns that are not ours, with their types."""
    with _opened(path) as file:
        return pa.schema([field for field in file.schema_arrow if field.name not in schema.COLUMNS])


def _name_problems(names: Sequence[str]) -> list[Problem]:
    problems = []
    for name in dict.fromkeys(names):
        if names.count(name) > 1:
            problems.append(Problem(None, name[:100], f"is there {names.count(name)} times; names must be unique"))
        if not name.strip():
            problems.append(Problem(None, None, "has a column without a name; name it, or drop it"))
        elif why := text_problem(name, MOST_OF_AN_ID, NO_FORMAT):
            problems.append(Problem(None, name[:100], f"its name {why}"))
    return problems


def _type_problem(field: pa.Field) -> str | None:
    return schema.type_problem(field.name, field.type)


def check(path: str, labels: Sequence[str], default_emotions: int) -> Manifest:
    """Read the whole manifest once and report everything that is wrong with it.

    Args:
        labels: the emotions that exist.
        default_emotions: how many requests a row without an emotion asks for.

    Raises:
        ManifestError: with all problems, by row and column.
    """
    problems: list[Problem] = []
    more = rows = requests = 0
    for number, row, wrong in read_rows(path, labels, DuplicateIds()):
        rows = number + 1
        if row is not None:
            requests += len(row.emotions) or default_emotions
        room = MOST - len(problems)
        problems += wrong[:room]
        more += max(0, len(wrong) - room)
    problems += _travel_problems(path)
    if rows == 0:
        problems.append(Problem(None, None, "has no rows; there is nothing to make"))
    if problems:
        raise ManifestError(path, problems, more)
    return Manifest(path, rows, requests, extra_columns(path))


def rows_of(manifest: Manifest, labels: Sequence[str]) -> Iterator[Row]:
    """The rows of a checked manifest, in order.

    Raises:
        ManifestError: the file has changed since it was checked.
    """
    for _, row, wrong in read_rows(manifest.path, labels):
        if row is None:
            raise ManifestError(manifest.path, wrong)
        yield row
