"""`metadata.parquet`: one row for each planned request, written and read in row groups."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.output.integrity import open_committed, read_shard_file
from pipeline.output.markers import Marker
from pipeline.output.records import from_parquet, open_parquet
from pipeline.storage.files import Location
from pipeline.storage.stream import FileStream

METADATA_FILE = "metadata.parquet"

ROW_GROUP = 1 << 15
"""Rows of a row group. The writer keeps what the file's footer says of each group: with groups as
small as shards may be, a large corpus would have a footer of gigabytes."""


def write_metadata(
    output: Location,
    markers: Sequence[Marker],
    schema: pa.Schema,
    on_shard: Callable[[pa.Table], None] = lambda table: None,
) -> str:
    """Write `metadata.parquet` in the order of the plan; returns its SHA-256.

    One shard's records and one row group are in memory at a time. The bytes depend on the rows
    alone, not on where shards end.

    Args:
        on_shard: is called with the records of each shard.
    """

    def records() -> Iterator[pa.Table]:
        for marker in markers:
            table = from_parquet(read_shard_file(output, marker, "parquet")).cast(schema)
            on_shard(table)
            yield table

    stream = FileStream(output / METADATA_FILE)
    try:
        with pq.ParquetWriter(stream, schema, compression="zstd") as writer:
            for group in regrouped(records(), itertools.repeat(ROW_GROUP)):
                writer.write_table(group)
        return stream.commit()
    finally:
        stream.discard()


def regrouped(tables: Iterable[pa.Table], sizes: Iterable[int]) -> Iterator[pa.Table]:
    """The same rows as tables of these sizes, until there are none left; the last may be shorter.

    Each has its rows in one chunk, since the bytes of a row group depend on where chunks end.
    """
    source = iter(tables)
    pending: list[pa.Table] = []
    rows = 0
    for size in sizes:
        while rows < size and (table := next(source, None)) is not None:
            pending.append(table)
            rows += table.num_rows
        if not rows:
            return
        whole = pa.concat_tables(pending)
        yield whole.slice(0, size).combine_chunks()
        pending, rows = [whole.slice(size)], max(0, rows - size)


@contextmanager
def open_metadata(output: Location, sha256: str) -> Iterator[pq.ParquetFile]:
    """The metadata of a corpus, whose row groups can be read one by one.

    Raises:
        UserError: the file is missing, or not what was committed.
    """
    with open_committed(output, METADATA_FILE, sha256) as handle:
        yield open_parquet(handle)


def row_groups(file: pq.ParquetFile, columns: list[str] | None = None) -> Iterator[pa.Table]:
    """The rows of a file, one row group in memory at a time; all columns, or some."""
    # Without threads: see `open_parquet`.
    for number in range(file.num_row_groups):
        yield file.read_row_group(number, columns=columns, use_threads=False)
