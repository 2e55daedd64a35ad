"""Rows and flags that are given in memory, as the files beside an output that a run reads."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from manifests.rows import table_of
from pipeline.corpora.flags import given_flags, read_flags, write_flags
from pipeline.errors import UserError
from pipeline.output.records import from_parquet
from pipeline.output.run.run_file import RUN_FILE, RunFile
from pipeline.storage.files import Location, location, write_bytes
from pipeline.storage.regular import read_file

ORIGIN = {b"muse_batch": b"rows given in memory"}
"""Metadata of the files of such rows."""


def written_rows(rows: Any, output: Location) -> str:
    """The path of a manifest's rows as a file beside the output, which a later call resumes with.

    Args:
        rows: as `table_of` takes them.

    Raises:
        UserError: they are none, the output was begun with others, or a file of another origin is
            there.
    """
    try:
        data = _encoded(table_of(rows))
    except (ValueError, pa.ArrowException) as error:
        raise UserError(str(error)) from None
    path = _beside(output, "manifest")
    if path.exists():
        before = _rows_in(read_file(path))
        if before is not None and _have_same_rows(before, data):
            # The run goes on with the file that it began with, whatever wrote it.
            return str(path)
        if (output / RUN_FILE).exists():
            raise UserError(
                f"{output} was begun with other rows, which {path} holds; give another output"
            )
        if before is None or not ORIGIN.items() <= (before.schema.metadata or {}).items():
            raise UserError(f"{path} exists, and no earlier call wrote it; give another output")
    write_bytes(path, data)
    return str(path)


def written_flags(flags: Any, output: Location, run: RunFile) -> Location | None:
    """The file of flags beside the output of a refilter; None if there are no flags.

    Args:
        flags: `accept` or `reject` by key.
        run: whose samples they are of.

    Raises:
        UserError: they are none, or a file with others is there: it may have been made by hand.
    """
    found = given_flags(flags, run)
    if not found.by_key:
        return None
    path = _beside(output, "flags")
    if not path.exists():
        write_flags(path, found)
    elif read_flags(path, run) != found:
        raise UserError(f"{path} exists and holds other flags; give another output, or move it")
    return path


def _beside(output: Location, what: str) -> Location:
    return location(f"{str(output).rstrip('/')}.{what}.parquet")


def _encoded(table: pa.Table) -> bytes:
    """A table as a parquet file."""
    sink = pa.BufferOutputStream()
    pq.write_table(table.replace_schema_metadata(ORIGIN), sink)
    return sink.getvalue().to_pybytes()


def _rows_in(data: bytes) -> pa.Table | None:
    """The table in a file; None if it is no parquet file."""
    try:
        return from_parquet(data)
    except (pa.ArrowException, OSError):
        return None


def _have_same_rows(before: pa.Table, data: bytes) -> bool:
    """Whether a table is that of a parquet file.

    Both are written again alike, because files differ by the version of pyarrow that wrote them,
    and tables that are equal differ in their own eyes where they have NaN.
    """
    first, second = before.combine_chunks(), from_parquet(data).combine_chunks()
    return _encoded(first) == _encoded(second)
