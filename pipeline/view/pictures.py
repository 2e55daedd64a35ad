"""The encoded images of a run's samples, read by offset from tars, or from files of batches.

A file is compared with its digest before the first picture of it is read, and again once it has
changed. Of a tar in an object store the size alone is known: all of it would have to come here.
"""

from __future__ import annotations

import errno
import os
import re
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from pipeline.errors import UserError
from pipeline.output.batches import IMAGE, BatchFile, batch_path, read_batch
from pipeline.output.integrity import changed_file, damaged_file
from pipeline.output.markers import marker_file, read_marker, relative_name
from pipeline.storage.files import Location, size_of
from pipeline.storage.ranged import open_ranged
from pipeline.storage.remote import Remote
from pipeline.view.rows import Part

BLOCK = 512
"""Bytes of a header, to multiples of which the files in a tar are filled up."""

MAX_INDEXES = 128
"""Tars whose members are remembered: about 200 bytes for each member."""

_TAR = re.compile(r"(shards|rejected)/\d{8,}\.tar")


State = tuple[int, int, int]
"""Size of a file, and the times of change of its content and of its inode."""


@dataclass(frozen=True)
class Member:
    """Where a file is in a tar.

    Attributes:
        offset: its first byte in the tar, counted from 0.
        size: its bytes.
    """

    offset: int
    size: int


class Pictures:
    """Reads the pictures of an output, each by itself. Threads may use it for different tars at the
    same time.
    """

    def __init__(self, output: Location):
        self.output = output
        self.indexes: OrderedDict[str, Mapping[str, Member]] = OrderedDict()
        self.checked: dict[str, tuple[list[State | None], bool]] = {}
        """Each tar that was compared with its digest: how it and its marker were then, and whether
        it was whole."""

    def encoded(self, part: Part, row: Mapping[str, Any]) -> bytes | None:
        """The encoded image of a row; None if none was made or kept.

        Args:
            part: where the row is.

        Raises:
            UserError: the tar or the batch is damaged.
            FileNotFoundError: the file was packed into a shard or removed since it was listed.
        """
        if part.batch is not None:
            return _from_batch(self.output, part.batch, row["key"])
        if row["shard"] is None or row["file"] is None:
            return None
        member = self.members(row["shard"]).get(row["file"])
        if member is None:
            raise UserError(f"{self.output}/{row['shard']} is damaged: it lacks {row['file']}")
        with open_ranged(self.output / row["shard"]) as handle:
            handle.seek(member.offset)
            data = handle.read(member.size)
        if len(data) < member.size:
            raise UserError(f"{self.output}/{row['shard']} is damaged: it ends too early")
        return data

    def members(self, tar: str) -> Mapping[str, Member]:
        """The members of a tar by name.

        Args:
            tar: its path relative to the output.

        Raises:
            UserError: not the name of a tar of a corpus, or the tar is damaged.
        """
        if not _TAR.fullmatch(tar):
            raise UserError(f"{self.output}: {tar!r} is not the name of a shard; see verify")
        self._compare(tar)
        # Taken out and put at the end: another thread may drop the oldest ones meanwhile.
        members = self.indexes.pop(tar, None) or self._read_members(tar)
        self.indexes[tar] = members
        if len(self.indexes) > MAX_INDEXES:
            self.indexes.popitem(last=False)
        return members

    def _compare(self, tar: str) -> None:
        """Compare a tar with its committed digest, unless it is as it was the last time.

        Raises:
            UserError: it is another one.
        """
        path = self.output / tar
        marker = marker_file(self.output, int(path.stem))
        if isinstance(path, Remote) or isinstance(marker, Remote):
            return
        now = [_state_of(path), _state_of(marker)]
        if now[0] is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
        before, is_whole = self.checked.get(tar, (None, False))
        if before != now:
            # A retry may have replaced it: its members are elsewhere, then.
            self.indexes.pop(tar, None)
            is_whole = self._is_committed(tar, marker)
            self.checked[tar] = now, is_whole
        if not is_whole:
            raise damaged_file(path)

    def _is_committed(self, tar: str, marker: Location) -> bool:
        """Whether a tar is what its marker says; it is read whole."""
        committed = read_marker(marker).sha256
        sha256 = {relative_name(name): value for name, value in committed.items()}.get(tar)
        return sha256 is not None and not [*changed_file(self.output, tar, sha256)]

    def _read_members(self, tar: str) -> Mapping[str, Member]:
        try:
            with open_ranged(self.output / tar) as handle:
                return _members_of(handle)
        except ValueError as error:
            raise UserError(f"{self.output}/{tar} is damaged: {error}") from None


def _state_of(file: Path) -> State | None:
    """How a file is now; None if it is not there."""
    try:
        status = file.stat()
    except FileNotFoundError:
        return None
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _members_of(handle: IO[bytes]) -> dict[str, Member]:
    """The members of a USTAR archive as `pipeline.output.packing` writes them, from its headers.

    `tarfile` takes ten times as long for the thousands of members of a shard.

    Raises:
        ValueError: it is no such archive, or is truncated.
    """
    members: dict[str, Member] = {}
    offset = 0
    while any(block := handle.read(BLOCK)):
        if len(block) < BLOCK or block[257:262] != b"ustar":
            raise ValueError(f"there is no header of a file at byte {offset:,}")
        name, size = block[:100].rstrip(b"\0").decode(), int(block[124:136].rstrip(b" \0"), 8)
        members[name] = Member(offset + BLOCK, size)
        offset += BLOCK + -(-size // BLOCK) * BLOCK
        handle.seek(offset)
    if len(block) < BLOCK:
        raise ValueError("it ends too early")
    return members


def _from_batch(output: Location, batch: BatchFile, key: str) -> bytes | None:
    """
    Raises:
        UserError: the batch is damaged.
        FileNotFoundError: it was packed into a shard meanwhile, or removed.
    """
    path = batch_path(output, batch)
    table = read_batch(output, batch)
    if table is None and size_of(path) is None:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
    if table is None:
        raise damaged_file(path)
    position = table["key"].to_pylist().index(key)
    image: bytes | None = table[IMAGE][position].as_py()
    return image
