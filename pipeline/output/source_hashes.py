"""SHA-256 of source images and masks as a run first read them, so that none is replaced
unnoticed."""

from __future__ import annotations

import hashlib
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import UserError
from pipeline.output.records import from_parquet
from pipeline.planning.plan import PlannedRequest
from pipeline.storage.addresses import normalized, public
from pipeline.storage.files import Location, listing, write_bytes
from pipeline.storage.regular import read_file

COLUMNS = ("row", "source_image", "source_sha256", "mask", "mask_sha256")
"""The columns of the metadata from which hashes are known."""


@dataclass(frozen=True)
class SourceHash:
    """A source image or a mask, and what it hashed to.

    Attributes:
        name: its path or URL in the manifest, without secrets.
        row: of the manifest.
        sha256: of its encoded bytes, as hex.
        is_mask: of the row, rather than its source image.
    """

    name: str
    row: int
    sha256: str
    is_mask: bool = False


def hashes_in(rows: Iterable[Mapping[str, Any]]) -> tuple[SourceHash, ...]:
    """The source images and masks that rows of the metadata name. Those within the manifest have no
    name: they are hashed with it."""
    return tuple(found for row in rows for found in _hashes_of(row))


def _hashes_of(row: Mapping[str, Any]) -> Iterator[SourceHash]:
    pairs = (("source_image", "source_sha256", False), ("mask", "mask_sha256", True))
    for name, sha256, is_mask in pairs:
        if row.get(name) is not None and row.get(sha256) is not None:
            yield SourceHash(row[name], row["row"], row[sha256], is_mask)


class SourceHashes:
    """The hash of each source image and mask that was read, as it was the first time.

    They are in a private database on the local disk, so that memory does not grow with them. A file
    is the same by whatever path it is named.

    Args:
        base: the folder or URL that relative paths refer to.
    """

    def __init__(self, base: str) -> None:
        self.base = base
        self._database = sqlite3.connect("", isolation_level=None)
        self._database.execute("PRAGMA journal_mode = OFF")
        self._database.execute(
            "CREATE TABLE hashes (name BLOB PRIMARY KEY, sha256 TEXT) WITHOUT ROWID"
        )

    def add(self, found: Iterable[SourceHash]) -> bool:
        """Take hashes, unless the file has one already; returns whether any differs from it."""
        differs = False
        for source in found:
            paths = self._paths(source.name)
            # A URL may have lost the query that distinguished it: then its row identifies it.
            identities = paths or [_row_name(source.row, source.is_mask)]
            for name in (source.name, *identities):
                self._database.execute(
                    "INSERT OR IGNORE INTO hashes VALUES (?, ?)", (_key(name), source.sha256)
                )
            differs |= any(self._hash(name) != source.sha256 for name in identities)
        return differs

    def _paths(self, name: str) -> list[str]:
        """The paths of a local file: as it is named, then without links; none for a URL.

        Both count: a link may be led to another file, and a file may be named by several links.
        """
        try:
            path = normalized(name)
        except UserError:
            return []
        if "://" in path or "://" in self.base:
            return [] if "://" in path else [path]
        path = os.path.abspath(os.path.join(self.base, path))
        return [path, os.path.realpath(path)]

    def with_hash(self, request: PlannedRequest) -> PlannedRequest:
        """The request with the hashes that its source image and its mask had when they were first
        read."""
        image = self._known(request.image, request.row, is_mask=False)
        mask = self._known(request.mask, request.row, is_mask=True)
        return replace(request, image_sha256=image, mask_sha256=mask)

    def _known(self, source: str | bytes | None, row: int, is_mask: bool) -> str | None:
        """The hash of an image that a row names; None if it has not been read, or has no name."""
        if not isinstance(source, str):
            return None
        names = [source] if public(source) == source else [_row_name(row, is_mask)]
        hashes = (self._hash(name) for name in (*self._paths(source), *names))
        return next(filter(None, hashes), None)

    def _hash(self, name: str) -> str | None:
        query = "SELECT sha256 FROM hashes WHERE name = ?"
        found = self._database.execute(query, (_key(name),)).fetchone()
        return found[0] if found else None


def _row_name(row: int, is_mask: bool) -> str:
    # No path or URL has a zero byte.
    return f"\0mask {row}" if is_mask else f"\0{row}"


def _key(name: str) -> bytes:
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).digest()[:16]


def keep_hashes(output: Location, found: Sequence[SourceHash]) -> None:
    """Keep hashes whose records are removed, because their batches are made again.

    The name of their file has a digest of its content, as those of the batches have.
    """
    if not found:
        return
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pylist([vars(source) for source in found]), sink)
    data = sink.getvalue().to_pybytes()
    write_bytes(_folder(output) / f"{_digest(data)}.parquet", data)


def kept_hashes(output: Location) -> Iterator[SourceHash]:
    """
    Raises:
        UserError: a file of them is damaged.
    """
    for file in kept_hashes_files(output):
        data = read_file(file)
        if _digest(data) != file.stem:
            raise UserError(
                f"{file} is damaged; restore it from a copy. It holds what source images and "
                "masks hashed to before a retry: without the file, a change of one of them is not "
                "noticed"
            )
        for row in from_parquet(data).to_pylist():
            yield SourceHash(**row)


def forget_kept_hashes(output: Location) -> None:
    """Remove them: once all batches are made, records have the hashes again."""
    for file in kept_hashes_files(output):
        file.unlink(missing_ok=True)


def kept_hashes_files(output: Location) -> Iterator[Location]:
    yield from listing(_folder(output), "*.parquet")


def _folder(output: Location) -> Location:
    return output / "_state" / "source_images"


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]
