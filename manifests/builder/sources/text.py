"""A text file of prompts, one a line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from manifests import schema
from manifests.builder.item import Item, Skipped, refuse


class TextSource:
    """See `manifests.builder.item.Source`."""

    is_folder = False
    image_kind: pa.DataType | None = None
    extra = pa.schema([])

    def __init__(self, path: str):
        self.path, self.folder = path, str(Path(path).resolve().parent)
        self.notes: list[str] = []

    def items(self, skipped: Skipped) -> Iterator[Item]:
        """Lines without the white space around them."""
        for number, line in lines_of(self.path):
            if prompt := line.strip():
                yield Item(f"line {number}", {schema.PROMPT: prompt})
            else:
                skipped.add("blank line", f"{self.path} line {number}")


def lines_of(path: str) -> Iterator[tuple[int, str]]:
    """The lines of a UTF-8 file, numbered from 1, with their ends, which may be any of Unix,
    Windows and the early Macintosh.

    Raises:
        ManifestError: it is not UTF-8.
    """
    with open(path, "rb") as file:
        # Of bytes, `splitlines` knows these three ends alone.
        lines = (line for block in file for line in block.splitlines(keepends=True))
        for number, line in enumerate(lines, 1):
            try:
                # A byte order mark, as some editors write it, is not part of the first line.
                yield number, line.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError:
                message = "is not UTF-8; save the file as UTF-8"
                raise refuse(path, message, place=f"line {number}") from None
