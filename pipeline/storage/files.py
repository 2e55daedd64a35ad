"""Files that are whole or not there, wherever they are; checksums.

On a file system: a temporary name, then a rename. On an object store: one put (see
`pipeline.storage.remote`).
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import re
import tempfile
import uuid
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, TypeAlias, TypeVar

from pipeline.errors import NO_ACCESS, UserError
from pipeline.storage.addresses import normalized
from pipeline.storage.attempts import STORE_TIMEOUT_S
from pipeline.storage.regular import open_file, read_file
from pipeline.storage.remote import Remote, is_url, remote

BLOCK = 1 << 20
CALLS_AT_ONCE = 16
"""Calls to an object store, of those that do not depend on each other."""
S = TypeVar("S")
T = TypeVar("T")
Location: TypeAlias = Path | Remote
"""A file or folder of a run. Both kinds are named, listed and read with the methods of `Path`."""

_TEMPORARY = re.compile(r"\..+\.[0-9a-f]{32}\.muse-part")


def location(text: str, store_timeout_s: float = STORE_TIMEOUT_S) -> Location:
    """The location that the user names: a path, or the URL of a file or an object store.

    Args:
        store_timeout_s: seconds for which one call to an object store is retried.

    Raises:
        UserError: an address that cannot be meant, a URL with credentials in it, or one of a
            protocol that cannot write a file atomically.
    """
    text = normalized(text)
    return remote(text, store_timeout_s) if is_url(text) else Path(text)


@contextmanager
def fetched(source: str, store_timeout_s: float = STORE_TIMEOUT_S) -> Iterator[str]:
    """A local path with the content of `source`.

    A path is given as it is; a URL is copied, and the copy lasts as long as the context.

    Raises:
        UserError: an address that cannot be meant, or a pipe or a device.
        FileNotFoundError: there is nothing at the URL.
        RunStopped: access refused, or the timeout is over.
    """
    source = normalized(source)
    if not is_url(source):
        _refuse_special_file(source)
        yield source
        return
    with tempfile.NamedTemporaryFile(prefix="muse-batch-") as copy:
        for block in Remote(source, store_timeout_s).blocks():
            copy.write(block)
        copy.flush()
        yield copy.name


def _refuse_special_file(path: str) -> None:
    """
    Raises:
        UserError: a pipe, a socket or a device. To open one may wait for ever.
    """
    file = Path(path)
    if file.exists() and not (file.is_file() or file.is_dir()):
        raise UserError(
            f"{path}: is not a regular file; it is read more than once, so save it to one"
        )


@contextmanager
def first_write(place: Location) -> Iterator[None]:
    """For the first write to a place that the user has named.

    Raises:
        UserError: it cannot be written, and the same command will not be able to, either.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in (*NO_ACCESS, errno.ENOENT, errno.EEXIST):
            raise
        cause = os.strerror(error.errno)
        raise UserError(f"{place} cannot be written ({cause}); give a place that can be") from None


def write_bytes(path: Location, data: bytes) -> str:
    """Write durably and atomically; returns the SHA-256 of the data as hex.

    Raises:
        OSError: with the path and the bytes that were to be written.
    """
    if isinstance(path, Remote):
        path.put(data)
        return hashlib.sha256(data).hexdigest()
    temporary = path.with_name(temporary_name(path.name))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(temporary, "wb") as handle:
            handle.write(data)
            handle.flush()
            os.fsync(handle.fileno())
        os.replace(temporary, path)
        sync_folder(path.parent)
    except BaseException as error:
        # Half a file on a full disk is in the way of those who make room.
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        if not isinstance(error, OSError):
            raise
        reason = f"{error.strerror or error}; {len(data):,} bytes were to be written to"
        raise OSError(error.errno or errno.EIO, reason, str(path)) from error
    return hashlib.sha256(data).hexdigest()


def temporary_name(name: str) -> str:
    """A new name under which a file is written first.

    It starts with a dot, so that no reader's pattern matches it, and ends so that nobody else's
    file is taken for it.
    """
    return f".{name}.{uuid.uuid4().hex}.muse-part"


def is_temporary(path: Location) -> bool:
    """Whether a file is one that an interrupted `write_bytes` left behind."""
    return _TEMPORARY.fullmatch(path.name) is not None


def clear_temporaries(folder: Location) -> None:
    """Remove what interrupted calls of `write_bytes` left in a folder and below it."""
    for path in temporaries(folder):
        path.unlink(missing_ok=True)


def temporaries(folder: Location) -> Iterator[Path]:
    """What interrupted calls of `write_bytes` left in a folder and below it.

    On an object store they leave nothing.
    """
    if not isinstance(folder, Remote):
        for place, names in _walk(folder):
            # A folder of such a name is an interrupted export.
            yield from filter(is_temporary, (place / name for name in names))


def sync_folder(folder: Path) -> None:
    """Let a rename in this folder survive a loss of power, if the file system supports that."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def size_of(path: Location) -> int | None:
    """Bytes of a file; None if it is not there, or no regular file: a pipe must not be opened."""
    if isinstance(path, Remote):
        return path.size()
    return path.stat().st_size if path.is_file() else None


def listing(folder: Location, pattern: str) -> list[Location]:
    """The files of a folder whose names match, shorter names first.

    There are none if there is no such folder. Numbered files are in the order of their numbers,
    even where those outgrow their zeros.
    """
    found: list[Location] = [*folder.glob(pattern)]
    return sorted(found, key=lambda path: (len(path.name), path.name))


def sizes_below(folder: Location) -> dict[str, int]:
    """Bytes of every file in a folder and below it, by its path relative to the folder.

    It takes one listing of each folder, on an object store one for all; no order.
    """
    if isinstance(folder, Remote):
        return folder.sizes_below()
    sizes: dict[str, int] = {}
    for place, names in _walk(folder):
        for name in names:
            path = Path(place, name)
            # Another process may remove one meanwhile.
            with contextlib.suppress(FileNotFoundError):
                sizes[path.relative_to(folder).as_posix()] = path.stat().st_size
    return sizes


def mapped(place: Location, call: Callable[[S], T], items: Iterable[S]) -> Iterator[T]:
    """`call` of each item, in their order.

    On an object store, several are called at a time, since each waits for answers.

    Args:
        place: where the calls read.
    """
    if not isinstance(place, Remote):
        yield from map(call, items)
        return
    with ThreadPoolExecutor(CALLS_AT_ONCE) as threads:
        yield from threads.map(call, items)


def json_bytes(value: Any) -> bytes:
    """Canonical JSON: sorted keys, indented, a newline at the end."""
    return (json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode()


def write_json(path: Location, value: Any) -> str:
    """`write_bytes` of canonical JSON."""
    return write_bytes(path, json_bytes(value))


def read_json(path: Location) -> Any:
    """
    Raises:
        UserError: the file is no longer JSON.
    """
    try:
        return json.loads(read_file(path))
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is damaged: {error}; restore it from a copy") from None


def sha256_file(path: Location) -> str:
    with open_file(path) as handle:
        return hash_of(handle)


def hash_of(handle: IO[bytes]) -> str:
    """SHA-256, as hex, of what is left to be read of an open file."""
    digest = hashlib.sha256()
    while block := handle.read(BLOCK):
        digest.update(block)
    return digest.hexdigest()


def files_below(folder: Path) -> list[Path]:
    """The files in a folder and in those below it, sorted; links to folders are followed."""
    found = []
    for place, names in _walk(folder):
        found += [place / name for name in names if (place / name).is_file()]
    return sorted(found)


def _walk(folder: Path) -> Iterator[tuple[Path, list[str]]]:
    """A folder and those below it, with the names of their files; links to folders are followed, as
    to another disk."""
    for place, folders, names in os.walk(folder, followlinks=True):
        # A link to a folder that it lies in, or was reached from, leads round in circles.
        here = Path(place)
        around = {here.resolve(), *here.resolve().parents}
        around |= {parent.resolve() for parent in here.parents if parent.is_relative_to(folder)}
        folders[:] = [name for name in folders if (here / name).resolve() not in around]
        yield here, names


def sha256_folder(
    folder: Path,
    sha256: Callable[[Path], str] = sha256_file,
    only: Collection[Path] | None = None,
) -> str:
    """One hash of a model folder: of its files' relative names and contents, in order of names.

    Args:
        sha256: of a file. Several are hashed at once, because a model's weights are in several
            large files.
        only: files in it; by default all.
    """
    files = sorted(files_below(folder) if only is None else only)
    digest = hashlib.sha256()
    with ThreadPoolExecutor() as threads:
        for file, part in zip(files, threads.map(sha256, files), strict=True):
            digest.update(f"{file.relative_to(folder).as_posix()}\0{part}\n".encode())
    return digest.hexdigest()
