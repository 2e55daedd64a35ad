"""A manifest as a parquet file: opened, with its columns checked and read in plain types."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq

from manifests import arrow_types, schema
from manifests.check import MAX_ID, NO_FORMAT, ManifestError, Problem, shown, text_problem


@dataclass(frozen=True)
class ManifestFile:
    """An open manifest whose columns have types that can be read.

    Attributes:
        path: a local path or an fsspec URL.
        file: the parquet file.
        plain: its columns in their plain types (see `manifests.arrow_types`).
        classes: the names that integers of the column `emotion` stand for, if they do.
    """

    path: str
    file: pq.ParquetFile
    plain: pa.Schema
    classes: Sequence[str]

    def batches(self, size: int, **selection: Any) -> Iterator[pa.RecordBatch]:
        """The row groups and columns that `selection` names, `size` rows at a time, in their plain
        types.

        Raises:
            ManifestError: the file is damaged, or has values that its plain types cannot hold.
        """
        batches = self.file.iter_batches(batch_size=size, use_threads=False, **selection)
        while True:
            try:
                batch = next(batches, None)
            except (OSError, pa.ArrowException) as error:
                why = str(error).splitlines()[0] if str(error) else type(error).__name__
                problem = Problem(None, None, f"is damaged ({shown(why)}); write it again")
                raise ManifestError(self.path, [problem]) from None
            if batch is None:
                return
            arrays = []
            for name, array in zip(batch.schema.names, batch.columns, strict=True):
                kind = self.plain.field(name).type
                try:
                    arrays.append(arrow_types.to_plain(array, kind))
                except (pa.ArrowException, ValueError) as error:
                    message = f"cannot be read as {kind}: {shown(str(error))}"
                    raise ManifestError(self.path, [Problem(None, name, message)]) from None
            yield pa.RecordBatch.from_arrays(arrays, batch.schema.names)


@contextmanager
def opened(path: str) -> Iterator[ManifestFile]:
    """The manifest as a parquet file whose columns have types that can be read.

    Raises:
        ManifestError: no such file, not parquet, a column of a wrong type, or no `prompt` column.
    """
    with open_file(path) as handle:
        try:
            # No reading ahead, here and below: Arrow's threads may outlive the interpreter, which
            # then aborts.
            file = pq.ParquetFile(handle, pre_buffer=False)
            of_file = file.schema_arrow
        except (pa.ArrowInvalid, OSError):
            hint = "is not a parquet file; `muse-batch manifest build` makes one of text or tables"
            raise ManifestError(path, [Problem(None, None, hint)]) from None
        except pa.ArrowException as error:
            raise ManifestError(path, _unreadable_types(handle, error)) from None
        classes = arrow_types.class_names(of_file, schema.EMOTION)
        problems, fields = _name_problems(of_file.names), []
        for field in of_file:
            try:
                kind = arrow_types.plain_type(field)
            except arrow_types.UnsupportedTypeError as error:
                problems.append(Problem(None, field.name, str(error)))
                continue
            fields.append(pa.field(field.name, kind))
            named = classes if field.name == schema.EMOTION else ()
            if why := arrow_types.type_problem(field.name, kind, named):
                problems.append(Problem(None, field.name, why))
        if schema.PROMPT not in of_file.names:
            problems.append(_missing_prompt(of_file.names))
        if problems:
            raise ManifestError(path, problems)
        yield ManifestFile(path, file, pa.schema(fields), classes)


def open_file(path: str) -> fsspec.core.OpenFile:
    """The file as it is, to read its bytes.

    Raises:
        ManifestError: it does not exist, is not a regular file, or cannot be opened.
    """
    try:
        # Opening a pipe waits for whoever writes to it, and it could be read only once.
        if os.path.exists(path) and not stat.S_ISREG(os.stat(path).st_mode):
            raise OSError("not a regular file")
        return fsspec.open(path, "rb").open()
    except (OSError, ValueError, ImportError) as error:
        why = getattr(error, "strerror", None) or error
        problem = Problem(None, None, f"cannot be opened ({why}); check the path")
        raise ManifestError(path, [problem]) from None


def _unreadable_types(handle: Any, error: pa.ArrowException) -> list[Problem]:
    """Columns of types that Arrow does not know, as far as the types of parquet show them."""
    why = f"has a type that cannot be read ({shown(str(error))}); cast it or drop it"
    # The footer alone, with Arrow's own schema hidden: that is what cannot be read.
    handle.seek(-8, os.SEEK_END)
    length = int.from_bytes(handle.read(4), "little")
    handle.seek(-8 - length, os.SEEK_END)
    footer = handle.read(length + 8).replace(b"ARROW:schema", b"hidden:schem")
    columns = pq.read_metadata(pa.BufferReader(b"PAR1" + footer)).schema
    unknown = []
    for i in range(len(columns)):
        column = columns.column(i)
        if column.physical_type == "FIXED_LEN_BYTE_ARRAY" and column.logical_type.type == "NONE":
            unknown.append(Problem(None, column.path, why))
    return unknown or [Problem(None, None, f"a column {why}")]


def _name_problems(names: Sequence[str]) -> list[Problem]:
    problems = []
    for name in dict.fromkeys(names):
        if (count := names.count(name)) > 1:
            message = f"appears {count} times; names must be unique"
            problems.append(Problem(None, name[:100], message))
        if not name.strip():
            problems.append(Problem(None, None, "has a column without a name; name it, or drop it"))
        elif why := text_problem(name, MAX_ID, NO_FORMAT):
            problems.append(Problem(None, name[:100], f"its name {why}"))
    return problems


def _missing_prompt(names: Sequence[str]) -> Problem:
    message = "is missing; every manifest has a prompt column"
    for name in names:
        if schema.intended_column(name, names) == schema.PROMPT:
            message += f"; rename {name!r}, or `muse-batch manifest build` with --map prompt={name}"
            break
    return Problem(None, schema.PROMPT, message)
