"""Manifests in a stream: rows one at a time, never the whole file."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from manifests import schema
from manifests.check import (
    MOST,
    MOST_OF_AN_ID,
    NO_FORMAT,
    Ids,
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


def _handle(path: str) -> fsspec.core.OpenFile:
    try:
        return fsspec.open(path, "rb").open()
    except (OSError, ValueError, ImportError) as error:
        raise ManifestError(
            path, [Problem(None, None, f"cannot be opened ({error}); check the path")]
        ) from None


def content_hash(path: str) -> str:
    """SHA-256 of the manifest's bytes, read in a stream.

    Raises:
        ManifestError: no such file.
    """
    digest = hashlib.sha256()
    with _handle(path) as handle:
        while block := handle.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


@contextmanager
def _opened(path: str) -> Iterator[pq.ParquetFile]:
    """The manifest as a parquet file whose columns have the right types.

    Raises:
        ManifestError: no such file, not parquet, a column of a wrong type, or no `prompt` column.
    """
    with _handle(path) as handle:
        try:
            # No reading ahead, here and below: Arrow's threads may outlive the interpreter, which then aborts.
            file = pq.ParquetFile(handle, pre_buffer=False)
        except (pa.ArrowInvalid, OSError):
            hint = "is not a parquet file; write one with pandas.DataFrame.to_parquet or pyarrow"
            raise ManifestError(path, [Problem(None, None, hint)]) from None
        problems = [
            Problem(None, field.name, why)
            for field in file.schema_arrow
            if (why := _type_problem(field))
        ]
        problems += _name_problems(file.schema_arrow.names)
        if schema.PROMPT not in file.schema_arrow.names:
            problems.append(
                Problem(None, schema.PROMPT, "is missing; every manifest has a prompt column")
            )
        if problems:
            raise ManifestError(path, problems)
        yield file


def read_rows(
    path: str, labels: Sequence[str], ids: Ids | None = None, start: int = 0
) -> Iterator[tuple[int, Row | None, list[Problem]]]:
    """Every row of the manifest from number `start` on with its number, as parsed or with its problems.

    Args:
        ids: takes note of the rows' ids.

    Raises:
        ManifestError: the file as a whole cannot be used.
    """
    with _opened(path) as file:
        group = number = 0
        while (
            group < file.num_row_groups
            and number + file.metadata.row_group(group).num_rows <= start
        ):
            number += file.metadata.row_group(group).num_rows
            group += 1
        for batch in _batches(path, file, row_groups=range(group, file.num_row_groups)):
            passed = min(batch.num_rows, max(0, start - number))
            number += passed
            for values in _values(path, batch.slice(passed), number):
                row, wrong = parse_row(number, values, labels, ids)
                yield number, row, wrong
                number += 1


def _batches(
    path: str, file: pq.ParquetFile, size: int = ROWS_AT_ONCE, **which: Any
) -> Iterator[pa.RecordBatch]:
    """The row groups and columns of the manifest that `which` names, `size` rows at a time."""
    try:
        yield from file.iter_batches(batch_size=size, use_threads=False, **which)
    except (OSError, pa.ArrowException) as error:
        why = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ManifestError(
            path, [Problem(None, None, f"is damaged ({shown(why)}); write it again")]
        ) from None


def _values(path: str, batch: pa.RecordBatch, number: int) -> list[dict[str, Any]]:
    """The rows of a batch whose first is row `number`; what Python cannot hold is told by its column."""
    try:
        return batch.to_pylist()
    except Exception:
        problems = []
        for name in batch.schema.names:
            try:
                batch.column(name).to_pylist()
            except (
                Exception
            ) as error:  # bad UTF-8, dates out of range, ...: each has an error of its own
                where = f"cannot be read between rows {number} and {number + batch.num_rows - 1}"
                problems.append(Problem(None, name, f"{where} ({shown(str(error))})"))
        raise ManifestError(
            path, problems or [Problem(None, None, "has rows that cannot be read")]
        ) from None


def _travel_problems(path: str) -> list[Problem]:
    """Further columns whose values cannot be written as they were read: tried on the first rows."""
    problems = []
    extra = extra_columns(path)
    if not len(extra):
        return []
    with _opened(path) as file:
        for batch in file.iter_batches(batch_size=ROWS_AT_ONCE, use_threads=False):
            for field in extra:
                column = [{field.name: value} for value in batch.column(field.name).to_pylist()]
                try:
                    pq.write_table(
                        pa.Table.from_pylist(column, pa.schema([field])), pa.BufferOutputStream()
                    )
                except (pa.ArrowException, ValueError, TypeError) as error:
                    why = f"its type {field.type} cannot travel into the metadata ({shown(str(error))}); drop or cast it"
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
            problems.append(
                Problem(
                    None, name[:100], f"is there {names.count(name)} times; names must be unique"
                )
            )
        if not name.strip():
            problems.append(Problem(None, None, "has a column without a name; name it, or drop it"))
        elif why := text_problem(name, MOST_OF_AN_ID, NO_FORMAT):
            problems.append(Problem(None, name[:100], f"its name {why}"))
    return problems


def _type_problem(field: pa.Field) -> str | None:
    return schema.type_problem(field.name, field.type)


def find_request(path: str, request: int, default_emotions: int) -> tuple[int, int]:
    """The row that asks for request number `request` of a checked manifest, and how many it asks for before that.

    Reads the column of emotions alone, and nothing of it into Python: a run of millions is resumed in seconds.
    """
    with _opened(path) as file:
        if schema.EMOTION not in file.schema_arrow.names:
            return divmod(request, default_emotions)
        row = 0
        for batch in _batches(path, file, 1 << 16, columns=[schema.EMOTION]):
            column = batch.column(0)
            is_list = pa.types.is_list(column.type) or pa.types.is_large_list(column.type)
            asked = (
                pc.list_value_length(column)
                if is_list
                else pc.if_else(pc.is_valid(column), 1, None)
            )
            sums = np.cumsum(pc.fill_null(asked, default_emotions).to_numpy(zero_copy_only=False))
            if request < sums[-1]:
                inside = int(np.searchsorted(sums, request, side="right"))
                return row + inside, request - (int(sums[inside - 1]) if inside else 0)
            request -= int(sums[-1])
            row += batch.num_rows
    return row, 0


def check(
    path: str,
    labels: Sequence[str],
    default_emotions: int,
    on_row: Callable[[Row], None] | None = None,
) -> Manifest:
    """Read the whole manifest once and report everything that is wrong with it.

    Args:
        labels: the emotions that exist.
        default_emotions: how many requests a row without an emotion asks for.
        on_row: called with every valid row, in order.

    Raises:
        ManifestError: with all problems, by row and column.
    """
    problems: list[Problem] = []
    more = rows = requests = 0
    ids = Ids()
    for number, row, wrong in read_rows(path, labels, ids):
        rows = number + 1
        if row is not None:
            requests += len(row.emotions) or default_emotions
            if on_row is not None:
                on_row(row)
        room = MOST - len(problems)
        problems += wrong[:room]
        more += max(0, len(wrong) - room)
    if repeated := ids.repeated():
        problems += _repetitions(path, repeated)
        problems.sort(key=lambda problem: problem.row or 0)
        more += max(0, len(repeated) - MOST) + max(0, len(problems) - MOST)
        del problems[MOST:]
    problems += _travel_problems(path)
    if rows == 0:
        problems.append(Problem(None, None, "has no rows; there is nothing to make"))
    if problems:
        raise ManifestError(path, problems, more)
    return Manifest(path, rows, requests, extra_columns(path))


def _repetitions(path: str, repeated: Mapping[int, int]) -> Iterator[Problem]:
    """The first of the problems with rows whose id an earlier row used."""
    wanted = sorted(repeated)[:MOST]
    with _opened(path) as file:
        row = 0
        for batch in _batches(path, file, 1 << 16, columns=[schema.ID]):
            while wanted and wanted[0] < row + batch.num_rows:
                number = wanted.pop(0)
                own = batch.column(0)[number - row].as_py()
                yield Problem(
                    number,
                    schema.ID,
                    f"{shown(own)} was used by row {repeated[number]}; ids must be unique",
                )
            row += batch.num_rows


def rows_of(manifest: Manifest, labels: Sequence[str], start: int = 0) -> Iterator[Row]:
    """The rows of a checked manifest from number `start` on, in order.

    Raises:
        ManifestError: the file has changed since it was checked.
    """
    for _, row, wrong in read_rows(manifest.path, labels, start=start):
        if row is None:
            raise ManifestError(manifest.path, wrong)
        yield row
