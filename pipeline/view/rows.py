"""The rows of all finished requests of a run, complete or in progress, read column by column."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import UserError
from pipeline.output.batches import IMAGE, BatchFile, batch_path, batches_among
from pipeline.output.contents import Contents, contents_of
from pipeline.output.integrity import damaged_index, damaged_shards
from pipeline.output.markers import Cursor, file_of, relative_name
from pipeline.output.rows import RowLayout, layout_of
from pipeline.output.run.run_file import RunFile, read_run
from pipeline.storage.files import Location
from pipeline.storage.ranged import open_ranged
from pipeline.storage.regular import refuse_special

METADATA = "metadata.parquet"


@dataclass(frozen=True)
class Part:
    """Finished requests that are in one parquet file.

    Attributes:
        name: of the file, relative to the output.
        first: its first row that counts; those before it are in another part.
        rows: how many rows count.
        batch: the batch whose file it is; None if it is another file.
    """

    name: str
    path: Location
    first: int
    rows: int
    batch: BatchFile | None = None


@dataclass(frozen=True)
class _Group:
    """A row group of a file: its number, and how many of its first rows do not count."""

    number: int
    skipped: int


@dataclass(frozen=True)
class RowGroup:
    """Rows that are read together, with all their columns.

    Attributes:
        first: the position of its first row.
        table: the rows that count.
    """

    part: Part
    first: int
    table: pa.Table

    def __contains__(self, position: int) -> bool:
        return self.first <= position < self.first + self.table.num_rows

    def row(self, position: int) -> dict[str, Any]:
        """The row at a position that is in here."""
        row: dict[str, Any] = self.table.slice(position - self.first, 1).to_pylist()[0]
        return row


@dataclass(frozen=True)
class FinishedRows:
    """The finished requests of a run, in the order of the plan.

    Attributes:
        run: its `run.json`.
        parts: the files that hold the rows.
        schema: of the rows.
        unreadable: names of batch files that cannot be read; the run makes them again.
    """

    output: Location
    run: RunFile
    parts: Sequence[Part]
    schema: pa.Schema
    unreadable: Sequence[str] = ()

    @property
    def count(self) -> int:
        return sum(part.rows for part in self.parts)

    @property
    def layout(self) -> RowLayout:
        return layout_of(self.schema)

    def tables(self, columns: Sequence[str]) -> Iterator[tuple[Part, pa.Table]]:
        """Some columns of all rows, those of one shard at a time, with the part they are in."""
        for part in self.parts:
            skipped = part.first
            with _opened(part.path) as file:
                # By row groups: `iter_batches` reads ahead on threads, which may abort the process
                # when it ends (see `from_parquet`).
                for group in range(file.num_row_groups):
                    table = file.read_row_group(group, columns=list(columns), use_threads=False)
                    rows, table = table.num_rows, table.slice(skipped)
                    skipped = max(0, skipped - rows)
                    if table.num_rows:
                        yield part, table

    def column(self, name: str) -> pa.ChunkedArray:
        """One column of all rows."""
        chunks = [table[name].combine_chunks() for _, table in self.tables([name])]
        return pa.chunked_array(chunks, self.schema.field(name).type)

    def take(self, positions: Iterable[int]) -> dict[int, tuple[Part, dict[str, Any]]]:
        """Rows with all their columns, each with the part it is in, by their positions.

        Positions at which there is no row are left out.
        """
        wanted = sorted(set(positions))
        found: dict[int, tuple[Part, dict[str, Any]]] = {}
        for part, group, first, rows in self._groups():
            # Only row groups with a wanted row are read.
            here = wanted[bisect_left(wanted, first) : bisect_left(wanted, first + rows)]
            if not here:
                continue
            read = self._read(part, group, first)
            for position in here:
                found[position] = part, read.row(position)
        return found

    def group_at(self, position: int) -> RowGroup:
        """The row group with the row at that position.

        Raises:
            IndexError: there is no such row.
        """
        for part, group, first, rows in self._groups():
            if first <= position < first + rows:
                return self._read(part, group, first)
        raise IndexError(position)

    def _read(self, part: Part, group: _Group, first: int) -> RowGroup:
        with _opened(part.path) as file:
            table = file.read_row_group(group.number, self.schema.names, use_threads=False)
        return RowGroup(part, first, table.slice(group.skipped))

    def _groups(self) -> Iterator[tuple[Part, _Group, int, int]]:
        """Every row group with a row that counts: its part, the position of that row, and how many
        there are."""
        position = 0
        for part in self.parts:
            with _opened(part.path) as file:
                sizes = [
                    file.metadata.row_group(number).num_rows
                    for number in range(file.num_row_groups)
                ]
            skipped = part.first
            for number, size in enumerate(sizes):
                rows = max(0, size - skipped)
                if rows:
                    yield part, _Group(number, size - rows), position, rows
                position += rows
                skipped = max(0, skipped - size)

    def part_at(self, position: int) -> Part:
        """The part that a row is in.

        Raises:
            IndexError: there is no such row.
        """
        first = 0
        for part in self.parts:
            if first <= position < first + part.rows:
                return part
            first += part.rows
        raise IndexError(position)

    def position_of(self, key: str) -> int | None:
        """The position of the row with that key; None if there is none."""
        position = 0
        for _, table in self.tables(["key"]):
            keys = table["key"].to_pylist()
            if key in keys:
                return position + keys.index(key)
            position += len(keys)
        return None


@contextmanager
def _opened(path: Location) -> Iterator[pq.ParquetFile]:
    """A parquet file, to be read in parts.

    Raises:
        FileNotFoundError: it is not there.
        UserError: it cannot be read; also if what is read of it within the context cannot.
    """
    refuse_special(path)
    try:
        # A local file is mapped: Arrow then starts no threads, which may abort the process at its
        # end.
        with pa.memory_map(str(path)) if isinstance(path, Path) else open_ranged(path) as handle:
            yield pq.ParquetFile(handle)
    except FileNotFoundError:
        raise
    except (pa.ArrowException, OSError) as error:
        cause = " ".join(str(error).split())
        raise UserError(f"{path} is damaged: it cannot be read ({cause}); see verify") from None


def finished_rows(output: Location) -> FinishedRows:
    """What is finished of the run in `output`.

    Raises:
        UserError: not the output of a run, damaged as far as names, sizes and the small files
            show, or nothing is finished yet.
    """
    run = read_run(output)
    contents = contents_of(output)
    damage = list(damaged_shards(output, contents=contents))
    if run.complete:
        damage += damaged_index(output, run, contents.markers)
    if damage:
        listed = "\n  ".join([f"{output} is damaged:", *damage])
        raise UserError(f"{listed}\nRestore these files from a copy.")
    unreadable: list[str] = []
    if run.complete:
        parts = [Part(METADATA, output / METADATA, 0, run.requests)]
    else:
        parts, unreadable = _unfinished_parts(output, contents)
    if not parts:
        raise UserError(f"{output}: no request is finished yet; try again when the first batch is")
    schema = _schema(parts[0])
    return FinishedRows(output, run, parts, schema, unreadable)


def _schema(part: Part) -> pa.Schema:
    with _opened(part.path) as file:
        schema = file.schema_arrow.remove_metadata()
    images = schema.get_field_index(IMAGE)
    return schema if images < 0 else schema.remove(images)


def _unfinished_parts(output: Location, contents: Contents) -> tuple[list[Part], list[str]]:
    """The parts of a run in progress: its shards, then the batches that are in no shard yet."""
    parts, unreadable = [], []
    markers = contents.markers
    for marker in markers:
        name = f"{marker.name}.parquet"
        path = file_of(output, name)
        parts.append(Part(relative_name(name), path, 0, marker.requests))
    start = markers[-1].next if markers else Cursor()
    seen: set[int] = set()
    for file in sorted(batches_among(contents.sizes), key=lambda file: file.number):
        if file.number < start.batch or file.number in seen:
            continue
        # The first requests of a batch may be in a shard already.
        published = start.offset if file.number == start.batch else 0
        rows = _rows_in(output, file)
        if rows is None:
            unreadable.append(file.name)
        elif rows > published:
            seen.add(file.number)
            path = batch_path(output, file)
            parts.append(Part(path.name, path, published, rows - published, file))
    return parts, unreadable


def _rows_in(output: Location, file: BatchFile) -> int | None:
    """Rows of a batch file; None if it cannot be read, or has been packed into a shard by now."""
    try:
        with _opened(batch_path(output, file)) as parquet:
            rows: int = parquet.metadata.num_rows
            return rows
    except (FileNotFoundError, UserError):
        return None


def setting(run: RunFile, name: str) -> Any:
    """A setting of a run by its dotted key; None if the run knew no such setting."""
    value: Any = run.config
    for key in name.split("."):
        value = value.get(key) if isinstance(value, Mapping) else None
    return value
