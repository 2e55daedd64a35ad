"""Manifests in a stream: rows one at a time, never the whole file."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from manifests import arrow_types, schema
from manifests.check import MAX_PROBLEMS, Ids, ManifestError, Problem, parse_row, shown
from manifests.file import open_file, opened
from manifests.schema import Row

ROWS_AT_ONCE = 512

SideProblems = Callable[[int, int], Mapping[str, str]]
"""What is wrong with images of a width and a height, by column; empty if nothing is."""

OTHER_SIZE = "rename the column if it is not the size of the images to make"
"""The remedy where tables of photographs have their sizes in the columns."""


@dataclass(frozen=True)
class Manifest:
    """A manifest that has passed `check`.

    Attributes:
        path: a local path or an fsspec URL.
        rows: how many rows it has.
        requests: how many requests they ask for.
        extra: names and plain types of the further columns, which are stored with the samples.
        identity: of the file that was checked, as `file_identity` gives it; None for any.
    """

    path: str
    rows: int
    requests: int
    extra: pa.Schema
    identity: tuple[int, ...] | None = None

    def refuse_change(self) -> None:
        """
        Raises:
            OSError: the file is not the one that was checked any more.
        """
        if self.identity is not None and file_identity(self.path) != self.identity:
            reason = "the manifest was changed while it was read; put it back as it was"
            raise OSError(errno.ESTALE, reason, self.path)


def file_identity(path: str) -> tuple[int, ...]:
    """What changes with every change to a local file, unlike its name; empty if there is none."""
    try:
        stat = os.stat(path)
    except OSError:
        return ()
    return stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns


def content_hash(path: str) -> str:
    """SHA-256 of the manifest's bytes, read in a stream.

    Raises:
        ManifestError: no such file.
    """
    digest = hashlib.sha256()
    with open_file(path) as handle:
        while block := handle.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def check(
    path: str,
    labels: Sequence[str],
    default_emotions: int,
    on_row: Callable[[Row], None] | None = None,
    allow_columns: bool = False,
    max_problems: int = MAX_PROBLEMS,
    side_problems: SideProblems | None = None,
) -> Manifest:
    """Read the whole manifest once and report everything that is wrong with it.

    Args:
        labels: the emotions that exist.
        default_emotions: how many requests a row without an emotion asks for.
        on_row: called with every valid row, in order.
        allow_columns: accept further columns whose names look like a mistake for one of ours.
        max_problems: how many problems are listed; the rest are counted.
        side_problems: what is wrong with the size of a row's images; None if any is accepted.

    Raises:
        ManifestError: with all problems, by row and column.
    """
    problems: list[Problem] = []
    more = rows = requests = 0
    ids = Ids()
    with opened(path) as file:
        extra = _further(file.plain)
        problems += [] if allow_columns else intended_columns(file.plain.names)
    for number, row, found in read_rows(path, labels, ids):
        rows = number + 1
        if row is not None and row.size is not None and side_problems is not None:
            wrong = side_problems(*row.size).items()
            found = [
                Problem(number, column, f"{problem}; {OTHER_SIZE}") for column, problem in wrong
            ]
        if row is not None and not found:
            requests += len(row.emotions) or default_emotions
            if on_row is not None:
                on_row(row)
        room = max(0, max_problems - len(problems))
        problems += found[:room]
        more += max(0, len(found) - room)
    if repeated := ids.repeated():
        problems += _repetitions(path, repeated, max_problems)
        problems.sort(key=lambda problem: problem.row or 0)
        more += max(0, len(repeated) - max_problems) + max(0, len(problems) - max_problems)
        del problems[max_problems:]
    if rows == 0:
        problems.append(Problem(None, None, "has no rows; there is nothing to make"))
    if problems:
        raise ManifestError(path, problems, more)
    return Manifest(path, rows, requests, extra)


def read_rows(
    path: str, labels: Sequence[str], ids: Ids | None = None, start: int = 0
) -> Iterator[tuple[int, Row | None, list[Problem]]]:
    """Every row of the manifest from number `start` on with its number, as parsed or with its
    problems.

    Args:
        ids: the rows' ids are added to these.

    Raises:
        ManifestError: the file as a whole cannot be used.
    """
    with opened(path) as file:
        metadata = file.file.metadata
        group = number = 0
        while group < metadata.num_row_groups:
            if number + metadata.row_group(group).num_rows > start:
                break
            number += metadata.row_group(group).num_rows
            group += 1
        groups = range(group, metadata.num_row_groups)
        for batch in file.batches(ROWS_AT_ONCE, row_groups=groups):
            skipped = min(batch.num_rows, max(0, start - number))
            number += skipped
            for values in _values(path, batch.slice(skipped), file.classes, number):
                row, problems = parse_row(number, values, labels, ids)
                yield number, row, problems
                number += 1


def rows_of(manifest: Manifest, labels: Sequence[str], start: int = 0) -> Iterator[Row]:
    """The rows of a checked manifest from number `start` on, in order.

    Raises:
        ManifestError: the file has changed since it was checked.
    """
    for _, row, problems in read_rows(manifest.path, labels, start=start):
        if row is None:
            raise ManifestError(manifest.path, problems)
        yield row


def extra_columns(path: str) -> pa.Schema:
    """The columns that are not ours, with their plain types."""
    with opened(path) as file:
        return _further(file.plain)


def find_request(path: str, request: int, default_emotions: int) -> tuple[int, int]:
    """The row that asks for request number `request` of a checked manifest, and how many it asks
    for before that.

    Reads the column of emotions alone, and nothing of it into Python: a run of millions is resumed
    in seconds.
    """
    with opened(path) as file:
        if schema.EMOTION not in file.plain.names:
            return divmod(request, default_emotions)
        row = 0
        for batch in file.batches(1 << 16, columns=[schema.EMOTION]):
            column = batch.column(0)
            if pa.types.is_list(column.type):
                wanted = pc.list_value_length(column)
            else:
                wanted = pc.if_else(pc.is_valid(column), 1, None)
            sums = np.cumsum(pc.fill_null(wanted, default_emotions).to_numpy(zero_copy_only=False))
            if request < sums[-1]:
                inside = int(np.searchsorted(sums, request, side="right"))
                return row + inside, request - (int(sums[inside - 1]) if inside else 0)
            request -= int(sums[-1])
            row += batch.num_rows
    return row, 0


def intended_columns(names: Sequence[str]) -> list[Problem]:
    """Problems of further columns whose names resemble one of ours."""
    problems = []
    for name in names:
        if column := schema.intended_column(name, names):
            message = (
                f"is not read, but resembles {column!r}; rename it, drop it, "
                "or give --allow-columns to store it with the samples"
            )
            problems.append(Problem(None, name, message))
    return problems


def _further(plain: pa.Schema) -> pa.Schema:
    return pa.schema([field for field in plain if field.name not in schema.COLUMNS])


def _values(
    path: str, batch: pa.RecordBatch, classes: Sequence[str], number: int
) -> Iterator[dict[str, Any]]:
    """The rows of a batch whose first is row `number`, with the names of classes.

    Raises:
        ManifestError: a column has values that Python cannot hold or write back.
    """
    names, columns, problems = batch.schema.names, [], []
    last = number + batch.num_rows - 1
    where = f"in row {number}" if last == number else f"between rows {number} and {last}"
    for field, array in zip(batch.schema, batch.columns, strict=True):
        try:
            values = array.to_pylist()
            changed = arrow_types.changed_by_python(array)
        except Exception as error:  # bad UTF-8, dates out of range, ...: each has its own error
            problems.append(
                Problem(None, field.name, f"cannot be read {where} ({shown(str(error))})")
            )
            continue
        if changed:
            message = f"has times finer than microseconds {where}; cast the column to microseconds"
            problems.append(Problem(None, field.name, message))
            continue
        if classes and field.name == schema.EMOTION:
            values = [_class_name(value, classes) for value in values]
        columns.append(values)
    if problems:
        raise ManifestError(path, problems)
    for values in zip(*columns, strict=True):
        yield dict(zip(names, values, strict=True))


def _class_name(value: Any, classes: Sequence[str]) -> Any:
    """The name of a class, or of a list of them; the number itself, as text, where there is no such
    class."""
    if isinstance(value, list):
        return [_class_name(item, classes) for item in value]
    if not isinstance(value, int):
        return value
    return classes[value] if 0 <= value < len(classes) else f"class {value}"


def _repetitions(path: str, repeated: Mapping[int, int], most: int) -> Iterator[Problem]:
    """The first of the problems with rows whose id an earlier row used."""
    wanted = sorted(repeated)[:most]
    with opened(path) as file:
        row = 0
        for batch in file.batches(1 << 16, columns=[schema.ID]):
            while wanted and wanted[0] < row + batch.num_rows:
                number = wanted.pop(0)
                own = batch.column(0)[number - row].as_py()
                message = f"{shown(own)} was used by row {repeated[number]}; ids must be unique"
                yield Problem(number, schema.ID, message)
            row += batch.num_rows
