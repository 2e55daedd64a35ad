"""Durable results of a batch: one parquet file each, written before the batch is reported as done."""

from __future__ import annotations

import os
import socket
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.samples import Result
from pipeline.storage import write_bytes

IMAGE = "encoded_image"


@dataclass(frozen=True)
class Report:
    """A finished batch, as the driver hears of it.

    Attributes:
        accepted: accepted samples per emotion.
        seconds, host, pid: of this computation; they never enter a shard.
    """

    batch: int
    statuses: Mapping[str, int]
    accepted: Mapping[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    host: str = ""
    pid: int = 0


def report(batch: int, results: list[Result], seconds: float = 0.0) -> Report:
    statuses = Counter(result.record["status"] for result in results)
    accepted = Counter(result.record["emotion"] for result in results if result.image is not None)
    return Report(batch, dict(statuses), dict(accepted), seconds, socket.gethostname(), os.getpid())


def batch_path(output: Path, number: int) -> Path:
    return output / "_state" / "batches" / f"{number:08d}.parquet"


def write_batch(output: Path, number: int, results: list[Result], schema: pa.Schema) -> None:
    """Write a batch's records and images in one atomic file with page checksums."""
    rows = [{**result.record, IMAGE: result.image} for result in results]
    table = pa.Table.from_pylist(rows, schema=schema.append(pa.field(IMAGE, pa.binary())))
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, write_page_checksum=True, compression="zstd")
    write_bytes(batch_path(output, number), sink.getvalue().to_pybytes())


def read_batch(output: Path, number: int) -> list[Result] | None:
    """The results of a batch, or None if it was never finished or its file is damaged."""
    try:
        with pq.ParquetFile(batch_path(output, number), page_checksum_verification=True) as file:
            rows = file.read().to_pylist()
    except (OSError, pa.ArrowInvalid):
        return None
    return [Result(row, row.pop(IMAGE)) for row in rows]


def finished_batches(output: Path) -> set[int]:
    """Numbers of the batches whose results lie on disk."""
    return {int(path.stem) for path in (output / "_state" / "batches").glob("*.parquet")}
