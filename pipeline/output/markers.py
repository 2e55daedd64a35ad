"""The marker of a shard: the small JSON file that commits it; the names of the files it commits."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Container, Mapping
from dataclasses import dataclass
from itertools import count, takewhile
from typing import Any

from pipeline.errors import UserError
from pipeline.storage.files import (
    Location,
    json_bytes,
    listing,
    mapped,
    size_of,
    write_bytes,
)
from pipeline.storage.regular import read_file

SHARD_DIGITS = 8
"""Digits of a shard's number: as many as a billion samples need, in shards of ten or more."""

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
        requests: how many requests there are between the two.
        accepted, rejected, failed: how many of them ended so.
        emotions: accepted samples by emotion.
        sha256: hashes of its files by name (see `file_of`).
        bytes: their sizes by name.
        previous: digest of the marker before this one; of the first, the identity of its run.
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
    previous: str = ""

    @property
    def digest(self) -> str:
        """SHA-256 of its content. As the next one holds it, the markers of a corpus are a chain."""
        return hashlib.sha256(json_bytes(_fields(self))).hexdigest()

    @property
    def name(self) -> str:
        return shard_name(self.shard)

    def count(self, status: str) -> int:
        """How many of its requests ended as `status`."""
        return {"accepted": self.accepted, "rejected": self.rejected, "failed": self.failed}[status]


def shard_name(number: int) -> str:
    """The common stem of a shard's files."""
    return f"{number:0{SHARD_DIGITS}d}"


def shard_files(number: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The names of the files that a shard has, marker excepted, and of those that it may have."""
    name = shard_name(number)
    return (f"{name}.parquet",), (f"{name}.tar", f"{REJECTED_FOLDER}/{name}.tar")


def shard_folder(output: Location) -> Location:
    return output / "shards"


def marker_name(number: int) -> str:
    """The path of a marker, relative to the output."""
    return f"shards/{shard_name(number)}.json"


def marker_file(output: Location, number: int) -> Location:
    return output / marker_name(number)


def file_of(output: Location, name: str) -> Location:
    """A file that a marker names: one of `shards/`, or one of `rejected/`."""
    folder, slash, file = name.partition("/")
    return output / folder / file if slash else shard_folder(output) / name


def relative_name(name: str) -> str:
    """The path, relative to the output, of a file that a marker names."""
    return name if "/" in name else f"shards/{name}"


def write_marker(output: Location, marker: Marker) -> None:
    """Commit a shard whose files are all written."""
    write_bytes(marker_file(output, marker.shard), _encode(marker))


def _fields(marker: Marker) -> dict[str, Any]:
    """The marker as JSON has it, without its digest."""
    return {
        **vars(marker),
        "first": [marker.first.batch, marker.first.offset],
        "next": [marker.next.batch, marker.next.offset],
    }


def _encode(marker: Marker) -> bytes:
    return json_bytes({**_fields(marker), "digest": marker.digest})


def read_marker(path: Location) -> Marker:
    """
    Raises:
        UserError: the file is damaged.
    """
    data = read_file(path) if size_of(path) is not None else b""
    try:
        marker = _parse(json.loads(data))
        if data != _encode(marker):
            raise ValueError("the digest is not that of the content")
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError):
        raise UserError(
            f"{path} is damaged: it is not the marker that was written; restore it from a copy"
        ) from None
    return marker


def _parse(fields: Any) -> Marker:
    """The marker in parsed JSON; one of the errors of `read_marker` if there is none."""
    batch, offset = fields["first"]
    next_batch, next_offset = fields["next"]
    counts = {name: fields[name] for name in ("requests", "accepted", "rejected", "failed")}
    numbers = [fields["shard"], batch, offset, next_batch, next_offset, *counts.values()]
    numbers += [*fields["emotions"].values(), *fields["bytes"].values()]
    if not all(type(number) is int and number >= 0 for number in numbers):
        raise ValueError("a count is not a whole number")
    digests = [*fields["sha256"].values(), fields["previous"]]
    if not all(isinstance(digest, str) for digest in digests):
        raise ValueError("a hash is not text")
    if fields["bytes"].keys() != fields["sha256"].keys():
        raise ValueError("the files with a size are not those with a hash")
    # Names are joined to the output's path: nothing but a shard's own files may be named.
    required, optional = shard_files(fields["shard"])
    if not set(required) <= fields["sha256"].keys() <= {*required, *optional}:
        raise ValueError("the files are not those of the shard")
    return Marker(
        shard=fields["shard"],
        first=Cursor(batch, offset),
        next=Cursor(next_batch, next_offset),
        **counts,
        emotions=fields["emotions"],
        sha256=fields["sha256"],
        bytes=fields["bytes"],
        previous=fields["previous"],
    )


def read_markers(output: Location, names: Container[str] | None = None) -> list[Marker]:
    """The markers of the committed shards, in order, up to the first gap.

    Args:
        names: of the files in the output, relative to it; None to list them.

    Raises:
        UserError: one is damaged, or does not follow the one before it.
    """
    if names is None:
        names = {f"shards/{path.name}" for path in listing(shard_folder(output), "*.json")}
    present = takewhile(lambda number: marker_name(number) in names, count())
    paths = [output / marker_name(number) for number in present]
    markers: list[Marker] = []
    for path, marker in zip(paths, mapped(output, read_marker, paths), strict=True):
        # That of the first is compared with run.json where damage is searched for.
        previous = markers[-1].digest if markers else marker.previous
        start = markers[-1].next if markers else Cursor()
        if (marker.shard, marker.previous, marker.first) != (len(markers), previous, start):
            raise UserError(
                f"{path} is damaged: it does not follow the marker before it; restore both from a "
                "copy"
            )
        markers.append(marker)
    return markers
