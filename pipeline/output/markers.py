"""The marker of a shard: the small JSON file that commits it, and the names of the files it commits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.errors import UserError
from pipeline.storage.files import (
    Location,
    listing,
    read_json,
    sha256_file,
    size_of,
    write_json,
)

REJECTED_FOLDER = "rejected"
"""Where rejected images are kept: beside the shards, so that no reader takes them for samples."""


@dataclass(frozen=True)
class Cursor:
    """A position in the plan: request `offset` of batch `batch`."""

    batch: int = 0
    offset: int = 0


@dataclass(frozen=True)
class Marker:
    """One committed shard.

    Attributes:
        shard: its number, from 0.
        first: its first request.
        next: the first request of the shard after it.
        requests: how many requests lie between the two.
        accepted, rejected, failed: how many of them ended so.
        emotions: accepted samples by emotion.
        sha256: hashes of its files by name (see `file_of`).
        bytes: their sizes by name.
    """

    shard: int
    first: Cursor
    next: Cursor
    requests: int
    accepted: int
    rejected: int
    failed: int
    emotions: Mapping[str, int]
    sha256: Mapping[str, str]
    bytes: Mapping[str, int]

    @property
    def name(self) -> str:
        return shard_name(self.shard)

    def count(self, status: str) -> int:
        """How many of its requests ended as `status`."""
        return {"accepted": self.accepted, "rejected": self.rejected, "failed": self.failed}[status]


def shard_name(number: int) -> str:
    """The common stem of a shard's files."""
    return f"{number:05d}"


def shard_folder(output: Location) -> Location:
    return output / "shards"


def marker_file(output: Location, number: int) -> Location:
    return shard_folder(output) / f"{shard_name(number)}.json"


def file_of(output: Location, name: str) -> Location:
    """A file that a marker names: one of `shards/`, or one of `rejected/`."""
    folder, slash, file = name.partition("/")
    return output / folder / file if slash else shard_folder(output) / name


def relative_name(name: str) -> str:
    """The path, relative to the output, of a file that a marker names."""
    return name if "/" in name else f"shards/{name}"


def write_marker(output: Location, marker: Marker) -> None:
    """Commit a shard whose files are all written."""
    fields = {
        **vars(marker),
        "first": [marker.first.batch, marker.first.offset],
        "next": [marker.next.batch, marker.next.offset],
    }
    write_json(marker_file(output, marker.shard), fields)


def read_marker(path: Location) -> Marker:
    """
    Raises:
        UserError: the file is damaged.
    """
    fields = read_json(path)
    try:
        return _parse(fields)
    except (AttributeError, KeyError, TypeError, ValueError):
        raise UserError(
            f"{path} is damaged: it is not the marker of a shard; restore it from a copy"
        ) from None


def _parse(fields: Any) -> Marker:
    """The marker in parsed JSON; a `KeyError`, `TypeError` or `ValueError` if there is none."""
    batch, offset = fields["first"]
    next_batch, next_offset = fields["next"]
    counts = {name: fields[name] for name in ("requests", "accepted", "rejected", "failed")}
    numbers = [fields["shard"], batch, offset, next_batch, next_offset, *counts.values()]
    numbers += [*fields["emotions"].values(), *fields["bytes"].values()]
    if not all(type(number) is int and number >= 0 for number in numbers):
        raise ValueError("a count is not a whole number")
    if not all(isinstance(digest, str) for digest in fields["sha256"].values()):
        raise ValueError("a hash is not text")
    if fields["bytes"].keys() != fields["sha256"].keys():
        raise ValueError("the files with a size are not those with a hash")
    return Marker(
        shard=fields["shard"],
        first=Cursor(batch, offset),
        next=Cursor(next_batch, next_offset),
        **counts,
        emotions=fields["emotions"],
        sha256=fields["sha256"],
        bytes=fields["bytes"],
    )


def read_markers(output: Location) -> list[Marker]:
    """The markers of the committed shards, in order, up to the first gap.

    Raises:
        UserError: one is damaged.
    """
    present = {path.name for path in listing(shard_folder(output), "*.json")}
    markers: list[Marker] = []
    while f"{shard_name(len(markers))}.json" in present:
        markers.append(read_marker(marker_file(output, len(markers))))
    return markers


def changed_files(output: Location, marker: Marker) -> Iterator[str]:
    """What is wrong with the content of a committed shard's files, a line for each problem."""
    for name, expected in marker.sha256.items():
        path = file_of(output, name)
        if not path.exists():
            yield f"{relative_name(name)}: is missing"
        elif sha256_file(path) != expected:
            yield f"{relative_name(name)}: its content is not what was committed (SHA-256 differs)"


def damaged_shards(output: Location) -> Iterator[str]:
    """What is wrong with the shards as far as names, sizes and the small files show.

    Tars are not read here; `verify` reads them.
    """
    markers = read_markers(output)
    for number, path in enumerate(listing(shard_folder(output), "*.json")):
        if path.name != f"{shard_name(number)}.json":
            yield f"shards/{shard_name(number)}.json: is missing, and later shards are there"
            return
    for marker in markers:
        for name, expected in marker.sha256.items():
            path, shown = file_of(output, name), relative_name(name)
            size, planned = size_of(path), marker.bytes[name]
            if size is None:
                yield f"{shown}: is missing"
            elif size != planned:
                yield f"{shown}: has {size:,} bytes where {planned:,} were committed"
            elif name.endswith(".parquet") and sha256_file(path) != expected:
                yield f"{shown}: its content is not what was committed (SHA-256 differs)"
