"""Damage: what in an output is not as it was committed.

The markers are a chain of digests, which hold the hashes of the shards' files; `run.json` holds the
end of the chain and the hashes of the other files. Code that relies on a file checks it here first.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from typing import IO

from pipeline.errors import UserError
from pipeline.output.markers import (
    Marker,
    file_of,
    read_markers,
    relative_name,
    shard_folder,
    shard_name,
)
from pipeline.output.run_file import RunFile, read_run
from pipeline.storage.files import Location, hash_of, listing, sha256_file, size_of

TAR, PARQUET = ".tar", ".parquet"

CARD = "README.md"
"""The one file of a corpus that its users are meant to edit."""


def damaged_shards(output: Location, read: Collection[str] = (PARQUET,)) -> Iterator[str]:
    """What is wrong with the shards as far as names and sizes show, and the content of some files.

    Args:
        read: endings of the files whose content is read: `PARQUET`, `TAR`, both or neither.

    Raises:
        UserError: a marker is damaged.
    """
    yield from missing_marker(output)
    for marker in read_markers(output):
        for name, sha256 in marker.sha256.items():
            size, expected = size_of(file_of(output, name)), marker.bytes[name]
            path = relative_name(name)
            if size is None:
                yield f"{path}: {_absence(output / path)}"
            elif size != expected:
                yield f"{path}: has {size:,} bytes where {expected:,} were committed"
            elif name.endswith((*read,)):
                yield from changed_file(output, path, sha256)


def damaged_index(output: Location, run: RunFile) -> Iterator[str]:
    """What is wrong with the files of a complete corpus that belong to no shard.

    An edited card is no damage (see `is_card_edited`).
    """
    for name, sha256 in sorted((run.files or {}).items()):
        if name != CARD:
            yield from changed_file(output, name, sha256)
        elif size_of(output / CARD) is None:
            yield f"{CARD}: {_absence(output / CARD)}"
    yield from missing_end(output, run)


def damaged_corpus(output: Location, run: RunFile) -> Iterator[str]:
    """What is wrong with a complete corpus; every byte of it is read."""
    yield from damaged_shards(output, (TAR, PARQUET))
    yield from damaged_index(output, run)


def refuse_damaged_shards(output: Location, read: Collection[str] = (PARQUET,)) -> None:
    """
    Args:
        read: as of `damaged_shards`.

    Raises:
        UserError: an unfinished output is damaged, as far as `damaged_shards` shows.
    """
    damage = list(damaged_shards(output, read))
    if damage:
        listed = "\n  ".join([f"{output} has damaged shards:", *damage])
        raise UserError(
            f"{listed}\nRestore them from a copy; or remove the .json of the first one and of all "
            "later shards: they are then made again."
        )


def refuse_damage(output: Location, run: RunFile) -> None:
    """
    Raises:
        UserError: a complete corpus is damaged; all of it that is wrong.
    """
    _refuse(output, damaged_corpus(output, run))


def committed_tars(output: Location) -> list[Location]:
    """The tars of the committed shards, in order. A tar without a marker is none of them.

    Raises:
        UserError: one of them is damaged or missing; each is read.
    """
    run = read_run(output)
    _refuse(output, itertools.chain(damaged_shards(output, (TAR,)), missing_end(output, run)))
    tars = [f"{marker.name}{TAR}" for marker in read_markers(output) if marker.accepted]
    return [file_of(output, name) for name in tars]


def _refuse(output: Location, damage: Iterable[str]) -> None:
    if lines := list(damage):
        listed = "\n  ".join([f"{output} is damaged:", *lines])
        raise UserError(f"{listed}\nNothing was changed. Restore these files from a copy.")


def is_card_edited(output: Location, run: RunFile) -> bool:
    """Whether the card of a complete corpus is another one than the run wrote."""
    expected = (run.files or {}).get(CARD)
    card = output / CARD
    return expected is not None and size_of(card) is not None and sha256_file(card) != expected


def read_committed(output: Location, name: str, sha256: str) -> bytes:
    """The content of a file, given its path relative to the output, if it is what was committed.

    Raises:
        UserError: it is not.
    """
    path = output / name
    data = path.read_bytes() if size_of(path) is not None else b""
    if hashlib.sha256(data).hexdigest() != sha256:
        raise damaged_file(path)
    return data


@contextmanager
def open_committed(output: Location, name: str, sha256: str) -> Iterator[IO[bytes]]:
    """`read_committed` for a file that may be large: open, and not in memory.

    It is read once before, to compare it with its hash; of an object, a local copy is read.

    Raises:
        UserError: it is not what was committed.
    """
    path = output / name
    if size_of(path) is None:
        raise damaged_file(path)
    with path.open("rb") as handle:
        if hash_of(handle) != sha256:
            raise damaged_file(path)
        handle.seek(0)
        yield handle


def damaged_file(path: Location) -> UserError:
    """The error for a file that is missing, or whose content is not what was committed."""
    return UserError(
        f"{path} is damaged: its content is not what was committed; restore it from a copy"
    )


def read_shard_file(output: Location, marker: Marker, suffix: str) -> bytes:
    """The content of a shard's `tar` or `parquet`, if it is what was committed.

    Raises:
        UserError: it is not.
    """
    name = f"{marker.name}.{suffix}"
    return read_committed(output, relative_name(name), marker.sha256[name])


def changed_files(output: Location, marker: Marker) -> Iterator[str]:
    """What is wrong with the content of a committed shard's files, a line for each problem."""
    for name, sha256 in marker.sha256.items():
        yield from changed_file(output, relative_name(name), sha256)


def changed_file(output: Location, name: str, sha256: str) -> Iterator[str]:
    """What is wrong with the content of a file, given its path relative to the output."""
    path = output / name
    if size_of(path) is None:
        yield f"{name}: {_absence(path)}"
    elif sha256_file(path) != sha256:
        yield f"{name}: its content is not what was committed (SHA-256 differs)"


def _absence(path: Location) -> str:
    """Why a file has no size."""
    return "is not a regular file" if path.exists() else "is missing"


def missing_end(output: Location, run: RunFile) -> Iterator[str]:
    """Whether shards are missing from the end of a complete corpus."""
    markers = read_markers(output)
    last = markers[-1].digest if markers else ""
    if run.complete and last != run.last_marker:
        name = f"{shard_name(len(markers))}.json"
        yield f"shards/{name}: is missing, or a marker before it is not that of this corpus"


def missing_marker(output: Location) -> Iterator[str]:
    """The first marker that is missing while there are later ones."""
    for number, path in enumerate(listing(shard_folder(output), "[0-9]*.json")):
        if path.name != f"{shard_name(number)}.json":
            yield f"shards/{shard_name(number)}.json: is missing, and later shards are there"
            return
