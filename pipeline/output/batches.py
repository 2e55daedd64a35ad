"""Durable results of a batch: one parquet file each, written before the batch is reported as done.

The file's name carries the SHA-256 of its content, so that damage is found when it is read.
"""

from __future__ import annotations

import hashlib
import os
import re
import socket
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.generation.results import Result
from pipeline.generation.verdicts import ACCEPTED
from pipeline.output.records import from_parquet
from pipeline.output.sample_files import MIXTURE
from pipeline.storage.files import Location, listing, write_bytes

IMAGE = "encoded_image"


@dataclass(frozen=True)
class Report:
    """A finished batch, as its worker reports it.

    Attributes:
        accepted: accepted samples by emotion; all mixtures as one.
        piece: requests drawn together at most, where memory or deaths forbade the whole batch; else
            0.
        seconds, host, pid: of this computation; they never enter a shard.
    """

    batch: int
    statuses: Mapping[str, int]
    accepted: Mapping[str, int] = field(default_factory=dict)
    piece: int = 0
    seconds: float = 0.0
    host: str = ""
    pid: int = 0


def report(batch: int, results: list[Result], seconds: float = 0.0) -> Report:
    statuses = Counter(result.record["status"] for result in results)
    accepted = Counter(
        result.record["emotion"] or MIXTURE
        for result in results
        if result.record["status"] == ACCEPTED
    )
    return Report(
        batch, dict(statuses), dict(accepted), 0, seconds, socket.gethostname(), os.getpid()
    )


def folder(output: Location) -> Location:
    return output / "_state" / "batches"


def batch_files(output: Location, number: int) -> list[Location]:
    """The files of a batch: one, or none; several only if it was computed twice."""
    return listing(folder(output), f"{number:08d}-*.parquet")


def write_batch(output: Location, number: int, results: list[Result], schema: pa.Schema) -> None:
    """Write a batch's records and images in one atomic file, its name bound to its content."""
    rows = [{**result.record, IMAGE: result.image} for result in results]
    table = pa.Table.from_pylist(rows, schema=schema.append(pa.field(IMAGE, pa.binary())))
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    data = sink.getvalue().to_pybytes()
    write_bytes(folder(output) / f"{number:08d}-{_digest(data)}.parquet", data)


def read_batch(output: Location, number: int) -> list[Result] | None:
    """The results of a batch, or None if it was never finished or its file is damaged."""
    for path in batch_files(output, number):
        data = path.read_bytes()
        if path.stem.endswith(_digest(data)):
            rows = from_parquet(data).to_pylist()
            return [Result(row, row.pop(IMAGE)) for row in rows]
    return None


def remove_batch(output: Location, number: int) -> None:
    for path in batch_files(output, number):
        path.unlink(missing_ok=True)


def remove_batches(output: Location) -> None:
    """Remove the files of all batches."""
    for number in finished_batches(output):
        remove_batch(output, number)


def finished_batches(output: Location) -> set[int]:
    """Numbers of the batches whose results lie on disk."""
    files = listing(folder(output), "*-*.parquet")
    named = (re.fullmatch(r"(\d{8,})-[0-9a-f]{16}\.parquet", path.name) for path in files)
    return {int(match[1]) for match in named if match}


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]
