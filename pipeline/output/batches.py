"""Durable results of a batch: one parquet file each, written before the batch is reported.

The name of the file carries a digest of its content, so that damage is found when it is read.
"""

from __future__ import annotations

import hashlib
import os
import re
import socket
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.generation.results import Result
from pipeline.generation.verdicts import ACCEPTED, FAILED, Cells
from pipeline.output.records import from_parquet, open_parquet
from pipeline.output.run.run_file import identity_of
from pipeline.output.sample_files import MIXTURE
from pipeline.output.sequencer import RequestSummary
from pipeline.output.source_hashes import SourceHash, hashes_in
from pipeline.storage.files import Location, mapped, sizes_below, write_bytes
from pipeline.storage.ranged import open_ranged
from pipeline.storage.regular import SpecialFileError, read_file

IMAGE = "encoded_image"
"""The column of the images, which only batch files have."""

RUN = "run"
"""Under which a batch file's metadata hold the identity of its run."""

BATCHES_PER_FOLDER = 1000

FOLDER = "_state/batches"

MAX_REASONS = 3

_PATH = re.compile(FOLDER + r"/\d{7}/(\d{10})-([0-9a-f]{16})\.parquet")


@dataclass(frozen=True)
class BatchFile:
    """The file of a batch.

    Attributes:
        number: of the batch.
        digest: the first 16 hex digits of the SHA-256 of its content.
        size: in bytes.
    """

    number: int
    digest: str
    size: int

    @property
    def name(self) -> str:
        return f"{self.number:010d}-{self.digest}.parquet"


@dataclass(frozen=True)
class Report:
    """A finished batch, as its worker reports it.

    Attributes:
        file: where its results are.
        requests: how each of them ended, in the order of the plan.
        sources: the source images that were read for it.
        statuses: requests by status.
        accepted: accepted samples by emotion; all mixtures as one.
        asked: all requests by emotion, likewise.
        failures: reasons of failed requests, the commonest first, at most `MAX_REASONS`.
        piece: how many requests were made together at most, if not the whole batch; else 0.
        seconds, host, pid: of this computation; they never enter a shard.
    """

    batch: int
    statuses: Mapping[str, int]
    accepted: Mapping[str, int] = field(default_factory=dict)
    asked: Mapping[str, int] = field(default_factory=dict)
    failures: Mapping[str, int] = field(default_factory=dict)
    piece: int = 0
    seconds: float = 0.0
    host: str = ""
    pid: int = 0
    file: BatchFile | None = None
    requests: Sequence[RequestSummary] = ()
    sources: Sequence[SourceHash] = ()

    def as_log_entry(self) -> dict[str, Any]:
        """What the log keeps of it."""
        entry = asdict(self)
        del entry["file"], entry["requests"], entry["sources"]
        return entry


def report_of(file: BatchFile, rows: Sequence[Mapping[str, Any]], cells: Cells | None) -> Report:
    """The report of a batch, given its rows."""
    requests = tuple(summary_of(row, cells) for row in rows)
    accepted = [row for row in rows if row["status"] == ACCEPTED]
    reasons = Counter(row["reason"] for row in rows if row["status"] == FAILED)
    return Report(
        batch=file.number,
        statuses=dict(Counter(row["status"] for row in rows)),
        accepted=_by_emotion(accepted),
        asked=_by_emotion(rows),
        failures=dict(reasons.most_common(MAX_REASONS)),
        host=socket.gethostname(),
        pid=os.getpid(),
        file=file,
        requests=requests,
        sources=hashes_in(rows),
    )


def _by_emotion(rows: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    return dict(Counter(row["emotion"] or MIXTURE for row in rows))


def summary_of(row: Mapping[str, Any], cells: Cells | None) -> RequestSummary:
    """How the request of a row ended, as far as the shards depend on it."""
    cell = cells.cell(row) if cells else ""
    return RequestSummary(row["key"], row["status"], cell, row["phash"])


def folder(output: Location) -> Location:
    return output / FOLDER


def batch_path(output: Location, file: BatchFile) -> Location:
    return _subfolder(output, file.number) / file.name


def _subfolder(output: Location, number: int) -> Location:
    """Folders of a thousand batches: no listing of one is ever long."""
    return folder(output) / f"{number // BATCHES_PER_FOLDER:07d}"


def write_batch(
    output: Location, number: int, results: Sequence[Result], schema: pa.Schema
) -> BatchFile:
    """Write a batch's records and images in one atomic file, whose name has its digest.

    The file holds the identity of its run, so that no other run takes it for its own.
    """
    sink = pa.BufferOutputStream()
    table = batch_table(results, schema).replace_schema_metadata({RUN: identity_of(output)})
    pq.write_table(table, sink, compression="zstd")
    data = sink.getvalue().to_pybytes()
    file = BatchFile(number, _digest(data), len(data))
    write_bytes(batch_path(output, file), data)
    return file


def batch_table(results: Sequence[Result], schema: pa.Schema) -> pa.Table:
    """Records and images as a table."""
    rows = [{**result.record, IMAGE: result.image} for result in results]
    return pa.Table.from_pylist(rows, schema=schema.append(pa.field(IMAGE, pa.binary())))


def read_batch(output: Location, file: BatchFile) -> pa.Table | None:
    """The records and images of a batch; None if its file is missing or damaged."""
    try:
        data = read_file(batch_path(output, file))
    except (FileNotFoundError, SpecialFileError):
        return None
    return from_parquet(data) if _digest(data) == file.digest else None


def read_rows(
    output: Location,
    file: BatchFile,
    columns: list[str] | None = None,
    size: int | None = None,
    run: str | None = None,
) -> list[dict[str, Any]] | None:
    """A batch's records without its images; None if the file cannot be read.

    The digest is not checked here, since that would read the images.

    Args:
        columns: to be read; None for all.
        size: of the file as a listing has just given it; None to look.
        run: the identity of the run that has to have written it; None for any.
    """
    try:
        # Of an object, only the blocks that hold these columns are fetched, not the images.
        with open_ranged(batch_path(output, file), size) as handle:
            parquet = open_parquet(handle)
            written_by = (parquet.schema_arrow.metadata or {}).get(RUN.encode(), b"")
            if run is not None and written_by != run.encode():
                return None
            names = columns or [name for name in parquet.schema_arrow.names if name != IMAGE]
            table = parquet.read(columns=names, use_threads=False)
    except (FileNotFoundError, pa.ArrowInvalid, OSError):
        return None
    rows: list[dict[str, Any]] = table.to_pylist()
    return rows


def read_rows_of(
    output: Location, files: Sequence[BatchFile], columns: list[str], run: str
) -> Iterator[list[dict[str, Any]] | None]:
    """`read_rows` of several batches that were just listed, in their order."""

    def read(file: BatchFile) -> list[dict[str, Any]] | None:
        return read_rows(output, file, columns, file.size, run)

    yield from mapped(output, read, files)


def list_batches(output: Location) -> list[BatchFile]:
    """The batch files on disk, in the order of their names; of a batch made twice, each."""
    sizes = sizes_below(folder(output))
    return batches_among({f"{FOLDER}/{path}": size for path, size in sizes.items()})


def batches_among(sizes: Mapping[str, int]) -> list[BatchFile]:
    """The batch files among the files of an output, in the order of `list_batches`.

    Args:
        sizes: in bytes, by path relative to the output.
    """
    found = []
    for path, size in sizes.items():
        if match := _PATH.fullmatch(path):
            found.append(BatchFile(int(match[1]), match[2], size))
    return sorted(found, key=lambda file: file.name)


def remove_batch(output: Location, file: BatchFile) -> None:
    batch_path(output, file).unlink(missing_ok=True)


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]
