"""Samples that several corpora have in common, so that none is merged twice."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator, Mapping
from typing import Any

from pipeline.errors import UserError
from pipeline.index.metadata import METADATA_FILE, open_metadata, row_groups
from pipeline.output.run.run_file import RunFile
from pipeline.storage.files import Location

IDENTITY = (
    "phash",
    "seed",
    "prompt",
    "negative_prompt",
    "emotion",
    "mixture",
    "source_sha256",
    "judge_confidence",
    "similarity",
)
"""Two images that agree in all of these are the same: a hash of their pixels, the seed and what
they were made from, and their scores to five decimals."""


def refuse_duplicates(corpora: Mapping[Location, RunFile]) -> None:
    """
    Raises:
        UserError: two corpora have images in common, as a corpus and what refilter made of it; or
            the metadata of one is damaged.
    """
    # On the local disk, so that memory does not grow with the corpora.
    database = sqlite3.connect("", isolation_level=None)
    database.execute("PRAGMA journal_mode = OFF")
    database.execute(
        "CREATE TABLE images (identity BLOB PRIMARY KEY, corpus INT, key TEXT) WITHOUT ROWID"
    )
    for number, (source, run) in enumerate(corpora.items()):
        common, example = 0, ("", 0, "")
        for key, identity in _images(source, run):
            query = "SELECT corpus, key FROM images WHERE identity = ?"
            found = database.execute(query, (identity,)).fetchone()
            if found is None:
                insertion = "INSERT INTO images VALUES (?, ?, ?)"
                database.execute(insertion, (identity, number, key))
            elif found[0] != number:
                example = example if common else (key, *found)
                common += 1
        if common:
            key, other, other_key = example
            raise UserError(
                f"{[*corpora][other]} and {source} have {common} image(s) in common, which the "
                f"merged corpus would hold twice: {other_key} of the one is {key} of the other; "
                "give one of the two alone, or make one of them with another --seed"
            )


def _images(source: Location, run: RunFile) -> Iterator[tuple[str, bytes]]:
    """Key and identity of every request for which an image was made."""
    with open_metadata(source, (run.files or {})[METADATA_FILE]) as metadata:
        for table in row_groups(metadata, ["key", *IDENTITY]):
            for row in table.to_pylist():
                if row["phash"] is not None:
                    yield row["key"], _identity(row)


def _identity(row: Mapping[str, Any]) -> bytes:
    return hashlib.sha256(repr([row[name] for name in IDENTITY]).encode()).digest()[:16]
