"""The encoded images of a run's samples, read by offset from tars, or from files of batches."""

from __future__ import annotations

import re
import tarfile
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow.parquet as pq

from pipeline.errors import UserError
from pipeline.output.batches import IMAGE
from pipeline.storage.files import Location
from pipeline.storage.ranged import open_ranged
from pipeline.view.rows import Part

MAX_INDEXES = 128
"""Tars whose members are remembered: about 200 bytes for each member."""

_TAR = re.compile(r"(shards|rejected)/\d{8,}\.tar")


@dataclass(frozen=True)
class Member:
    """Where a file lies in a tar.

    Attributes:
        offset: its first byte in the tar, counted from 0.
        size: its bytes.
    """

    offset: int
    size: int


class Pictures:
    """Reads the pictures of an output, each by itself."""

    def __init__(self, output: Location):
        self.output = output
        self.indexes: OrderedDict[str, Mapping[str, Member]] = OrderedDict()

    def encoded(self, part: Part, row: Mapping[str, Any]) -> bytes | None:
        """The encoded image of a row; None if none was made or kept.

        Args:
            part: where the row lies.

        Raises:
            UserError: the tar is damaged.
            FileNotFoundError: the file was packed into a shard or removed since it was listed.
        """
        if part.batch is not None:
            return _from_batch(part, row["key"])
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
        if tar in self.indexes:
            self.indexes.move_to_end(tar)
            return self.indexes[tar]
        if not _TAR.fullmatch(tar):
            raise UserError(f"{self.output}: {tar!r} is not the name of a shard; see verify")
        self.indexes[tar] = self._read_members(tar)
        if len(self.indexes) > MAX_INDEXES:
            self.indexes.popitem(last=False)
        return self.indexes[tar]

    def _read_members(self, tar: str) -> Mapping[str, Member]:
        try:
            with (
                open_ranged(self.output / tar) as handle,
                tarfile.open(fileobj=handle, mode="r:") as archive,
            ):
                return {info.name: Member(info.offset_data, info.size) for info in archive}
        except tarfile.TarError as error:
            raise UserError(f"{self.output}/{tar} is damaged: {error}") from None


def _from_batch(part: Part, key: str) -> bytes | None:
    with open_ranged(part.path) as handle:
        table = pq.ParquetFile(handle).read(columns=["key", IMAGE], use_threads=False)
    position = table["key"].to_pylist().index(key)
    image: bytes | None = table[IMAGE][position].as_py()
    return image
