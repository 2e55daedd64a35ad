"""Files read at any position without being fetched whole, wherever they are."""

from __future__ import annotations

import io
from collections import OrderedDict
from typing import IO, Any, cast

from pipeline.storage.files import Location
from pipeline.storage.regular import open_file
from pipeline.storage.remote import Remote

BLOCK = 256 << 10
"""Bytes that one request to an object store reads."""

MAX_BLOCKS = 64
"""Blocks that an open object keeps in memory."""


class RangedObject(io.RawIOBase):
    """An object of a store as a file that is read at any position, by ranged requests.

    Args:
        size: of the object in bytes; None to ask the store.

    Raises:
        FileNotFoundError: there is no such object.
    """

    def __init__(self, source: Remote, size: int | None = None):
        super().__init__()
        size = source.size() if size is None else size
        if size is None:
            raise FileNotFoundError(str(source))
        self.source, self.size, self.position = source, size, 0
        self.blocks: OrderedDict[int, bytes] = OrderedDict()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self.position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self.position, io.SEEK_END: self.size}[whence]
        self.position = max(0, start + offset)
        return self.position

    def readinto(self, buffer: Any) -> int:
        if self.position >= self.size:
            return 0
        number, within = divmod(self.position, BLOCK)
        data = self._block(number)[within : within + len(buffer)]
        buffer[: len(data)] = data
        self.position += len(data)
        return len(data)

    def _block(self, number: int) -> bytes:
        """A block, kept until `MAX_BLOCKS` others were asked for after it."""
        if number in self.blocks:
            self.blocks.move_to_end(number)
            return self.blocks[number]
        start = number * BLOCK
        self.blocks[number] = self.source.read_range(start, min(self.size, start + BLOCK))
        if len(self.blocks) > MAX_BLOCKS:
            self.blocks.popitem(last=False)
        return self.blocks[number]


def open_ranged(path: Location, size: int | None = None) -> IO[bytes]:
    """A file, opened to be read at any position.

    Args:
        size: as of `RangedObject`. With it, a missing object is noticed as it is read.

    Raises:
        FileNotFoundError: it is not there.
        SpecialFileError: it is not a regular file.
    """
    if isinstance(path, Remote):
        return cast("IO[bytes]", io.BufferedReader(RangedObject(path, size)))
    return open_file(path)
