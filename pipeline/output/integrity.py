"""Damage: what in an output is not as it was committed.

The markers are a chain of digests, which hold the hashes of the shards' files; `run.json` holds the
end of the chain and the hashes of the other files. Code that relies on a file checks it here first.
"""

from __future__ import annotations

import hashlib
import itertools
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import IO

from pipeline.errors import UserError
from pipeline.output.contents import Contents, contents_of
from pipeline.output.markers import (
    Marker,
    file_of,
    marker_name,
    relative_name,
    shard_name,
)
from pipeline.output.run.run_file import RunFile, identity_of, read_run
from pipeline.storage.files import Location, hash_of, mapped, sha256_file, size_of
from pipeline.storage.regular import open_file, read_file

TAR, PARQUET = ".tar", ".parquet"

_MARKER = re.compile(r"shards/[0-9][^/]*\.json")

CARD = "README.md"
"""The one file of a corpus that its users are meant to edit."""


def damaged_shards(
    output: Location, read: Collection[str] = (PARQUET,), contents: Contents | None = None
) -> Iterator[str]:
    """What is wrong with the shards as far as names and sizes show, and the content of some files.

    Args:
        read: endings of the files whose content is read: `PARQUET`, `TAR`, both or neither.
        contents: of the output; None to list them.

    Raises:
        UserError: a marker is damaged.
    """
    contents = contents or contents_of(output)
    yield from missing_marker(contents)
    yield from foreign_marker(output, contents)

    def problems(committed: tuple[Marker, str]) -> list[str]:
        marker, name = committed
        path, expected = relative_name(name), marker.bytes[name]
        # A file that was written while the listing was made may be missing from it.
        listed = contents.sizes.get(path)
        size = size_of(output / path) if listed is None else listed
        if size is None:
            return [f"{path}: {_absence(output / path)}"]
        if size != expected:
            return [f"{path}: has {size:,} bytes where {expected:,} were committed"]
        is_read = name.endswith((*read,))
        return [*changed_file(output, path, marker.sha256[name])] if is_read else []

    files = ((marker, name) for marker in contents.markers for name in marker.sha256)
    yield from itertools.chain.from_iterable(mapped(output, problems, files))


def damaged_index(output: Location, run: RunFile, markers: Sequence[Marker]) -> Iterator[str]:
    """What is wrong with the files of a complete corpus that belong to no shard.

    An edited card is no damage (see `is_card_edited`).

    Args:
        markers: of the committed shards.
    """
    for name, sha256 in sorted((run.files or {}).items()):
        if name != CARD:
            yield from changed_file(output, name, sha256)
        elif size_of(output / CARD) is None:
            yield f"{CARD}: {_absence(output / CARD)}"
    yield from missing_end(run, markers)


def damaged_corpus(output: Location, run: RunFile) -> Iterator[str]:
    """What is wrong with a complete corpus; every byte of it is read."""
    contents = contents_of(output)
    yield from damaged_shards(output, (TAR, PARQUET), contents)
    yield from damaged_index(output, run, contents.markers)


def refuse_damaged_shards(
    output: Location, read: Collection[str] = (PARQUET,), contents: Contents | None = None
) -> None:
    """
    Args:
        read, contents: as of `damaged_shards`.

    Raises:
        UserError: an unfinished output is damaged, as far as `damaged_shards` shows.
    """
    damage = list(damaged_shards(output, read, contents))
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
    run, contents = read_run(output), contents_of(output)
    damage = damaged_shards(output, (TAR,), contents)
    _refuse(output, itertools.chain(damage, missing_end(run, contents.markers)))
    tars = [f"{marker.name}{TAR}" for marker in contents.markers if marker.accepted]
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
    data = read_file(path) if size_of(path) is not None else b""
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
    with open_file(path) as handle:
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


def missing_end(run: RunFile, markers: Sequence[Marker]) -> Iterator[str]:
    """Whether shards are missing from the end of a complete corpus."""
    last = markers[-1].digest if markers else ""
    if run.complete and last != run.last_marker:
        name = f"{shard_name(len(markers))}.json"
        yield f"shards/{name}: is missing, or a marker before it is not that of this corpus"


def foreign_marker(output: Location, contents: Contents) -> Iterator[str]:
    """Whether the shards are those of another run; run.json may be missing."""
    identity = identity_of(output)
    if contents.markers and identity and contents.markers[0].previous != identity:
        yield f"{marker_name(0)}: it and the shards after it are of another run than run.json"


def missing_marker(contents: Contents) -> Iterator[str]:
    """The first marker that is missing while there are later ones."""
    found = [name for name in contents.sizes if _MARKER.fullmatch(name)]
    if len(found) > len(contents.markers):
        first = marker_name(len(contents.markers))
        yield f"{first}: is missing, and later shards are there"
