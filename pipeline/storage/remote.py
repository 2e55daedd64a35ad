"""A location on an object store, with the few methods of `Path` that a run uses.

Every call is retried with growing pauses until its timeout, then the run stops with the location
and the cause. An object appears under its name whole or not at all: by one put, or by a multipart
upload that is completed at its end.
"""

from __future__ import annotations

import fnmatch
import logging
import posixpath
import re
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import IO, Any, TypeVar

from pipeline.errors import RunStopped, UserError
from pipeline.storage.addresses import public
from pipeline.storage.attempts import STORE_TIMEOUT_S, attempt

BLOCK = 16 << 20
IN_MEMORY = 64 << 20
"""Bytes up to which an opened object stays in memory; a larger one is kept in a temporary file."""

ATOMIC_PROTOCOLS = ("s3", "s3a", "gs", "gcs", "hf", "az", "abfs", "abfss")
"""Protocols on which one put is atomic."""
_QUICK_CLIENT = {
    "config_kwargs": {
        "connect_timeout": 10,
        "read_timeout": 60,
        "retries": {"total_max_attempts": 1, "mode": "standard"},
    }
}
OPTIONS: dict[str, dict[str, Any]] = {"s3": _QUICK_CLIENT, "s3a": _QUICK_CLIENT}
"""A client that gives up soon leaves the retries to `attempt`, with one timeout. gcsfs has no such
option: it tries each call six times itself, within about a minute, so that a stop on `gs://` may
come that much later."""

PART = 16 << 20
_PARTS_OF_S3 = {"chunksize": PART, "max_concurrency": 2}
_PARTS_OF_GCS = {"chunksize": PART}
UPLOAD_OPTIONS: dict[str, dict[str, Any]] = {
    "s3": _PARTS_OF_S3,
    "s3a": _PARTS_OF_S3,
    "gs": _PARTS_OF_GCS,
    "gcs": _PARTS_OF_GCS,
}
"""How a large file is uploaded. By default, s3fs has ten parts of 50 MiB in memory at a time."""

# It prints a traceback of every call that it gives up; `attempt` reports the cause once.
logging.getLogger("gcsfs").setLevel(logging.CRITICAL)

_URL_START = re.compile(r"^[a-z][a-z0-9+.-]*://")
T = TypeVar("T")


@dataclass(frozen=True, order=True)
class Remote:
    """One object, or the folder of a prefix.

    Attributes:
        url: with its protocol, without credentials.
        store_timeout_s: seconds for which one call is retried.
    """

    url: str
    store_timeout_s: float = STORE_TIMEOUT_S

    def __truediv__(self, name: str) -> Remote:
        return replace(self, url=f"{self.url.rstrip('/')}/{name}")

    def __str__(self) -> str:
        return public(self.url)

    @property
    def name(self) -> str:
        return posixpath.basename(self.url.rstrip("/"))

    @property
    def stem(self) -> str:
        return posixpath.splitext(self.name)[0]

    @property
    def parent(self) -> Remote:
        return replace(self, url=posixpath.dirname(self.url.rstrip("/")))

    def resolve(self) -> Remote:
        return self

    def exists(self) -> bool:
        return self._try(lambda fs, path: fs.exists(path))

    def size(self) -> int | None:
        """Bytes of the object; None if it is not there."""
        try:
            return int(self._try(lambda fs, path: fs.info(path)["size"]))
        except FileNotFoundError:
            return None

    def is_dir(self) -> bool:
        return self.exists()

    def iterdir(self) -> Iterator[Remote]:
        """The entries of the folder, in the order of names; nothing if there is no such folder."""
        try:
            paths = self._try(lambda fs, path: fs.ls(path, detail=False))
        except FileNotFoundError:
            return
        # Some stores list a folder's own placeholder within it.
        names = {posixpath.basename(path.rstrip("/")) for path in paths} - {self.name, ""}
        yield from (self / name for name in sorted(names))

    def glob(self, pattern: str) -> Iterator[Remote]:
        return (entry for entry in self.iterdir() if fnmatch.fnmatchcase(entry.name, pattern))

    def sizes_below(self) -> dict[str, int]:
        """Bytes of every object below the folder, by its path relative to it, with one listing."""

        def find(fs: Any, path: str) -> dict[str, int]:
            start = path.rstrip("/") + "/"
            found = fs.find(path, detail=True).items()
            return {name.removeprefix(start): int(entry["size"]) for name, entry in found}

        return self._try(find)

    def read_bytes(self, max_bytes: int | None = None) -> bytes:
        """The object, or its first `max_bytes` bytes."""
        start = 0 if max_bytes else None
        return self._try(lambda fs, path: fs.cat_file(path, start=start, end=max_bytes))

    def read_text(self) -> str:
        return self.read_bytes().decode()

    def blocks(self) -> Iterator[bytes]:
        """The object in pieces, each of which is retried on its own."""
        size = self._try(lambda fs, path: fs.info(path)["size"])
        if size is None:  # a web server that does not give it
            yield self.read_bytes()
            return
        for start in range(0, size, BLOCK):
            end = min(size, start + BLOCK)
            yield self.read_range(start, end)

    def read_range(self, start: int, end: int) -> bytes:
        """The bytes from `start` up to `end`."""
        return self._try(
            lambda fs, path: _whole(fs.cat_file(path, start=start, end=end), end - start)
        )

    def open(self, mode: str = "rb") -> IO[bytes]:
        """A local copy of the object, to be read at any position."""
        if mode != "rb":
            raise ValueError(f"an object can be opened for reading, not with mode {mode!r}")
        # The caller closes it.
        copy = tempfile.SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115
        for block in self.blocks():
            copy.write(block)
        copy.seek(0)
        return copy

    def put(self, data: bytes) -> None:
        """Store `data` as this object, whole or not at all."""
        self._store(lambda fs, path: fs.pipe_file(path, data))

    def put_file(self, file: str) -> None:
        """Store a local file as this object, whole or not at all.

        It goes in parts, of which few are in memory at a time: a shard of a thousand images has
        400 MB. If an upload is interrupted, S3 keeps its parts until a lifecycle rule of the bucket
        removes them; no reader sees them.
        """
        options = UPLOAD_OPTIONS.get(self.url.partition("://")[0], {})
        self._store(lambda fs, path: fs.put_file(file, path, **options))

    def _store(self, call: Callable[[Any, str], object]) -> None:
        try:
            self._try(call)
        except FileNotFoundError as error:
            raise RunStopped(
                f"{self}: cannot be written ({public(str(error))}); does the bucket exist?"
            ) from None

    def unlink(self, missing_ok: bool = False) -> None:
        try:
            self._try(lambda fs, path: fs.rm_file(path))
        except FileNotFoundError:
            if not missing_ok:
                raise

    def _try(self, call: Callable[[Any, str], T]) -> T:
        def once() -> T:
            fs, path = _file_system(self.url)
            return call(fs, path)

        return attempt(once, str(self), self.store_timeout_s)


def _whole(data: bytes, size: int) -> bytes:
    if len(data) != size:
        raise OSError(f"received {len(data)} of {size} bytes")
    return data


def _file_system(url: str) -> tuple[Any, str]:
    """The file system of a URL, made once a process and protocol, and the path in it.

    Listings are not cached, because other processes write too.
    """
    import fsspec

    scheme = url.partition("://")[0]
    try:
        fs, path = fsspec.url_to_fs(url, use_listings_cache=False, **OPTIONS.get(scheme, {}))
        if scheme in ("s3", "s3a"):
            fs.retries = 1  # its own, which come on top of those of its client
        return fs, path
    except (ImportError, ValueError) as error:
        # Its package is not installed, or there is no such protocol.
        raise UserError(f"{public(url)}: {public(str(error))}") from None


def remote(url: str, store_timeout_s: float = STORE_TIMEOUT_S) -> Remote:
    """The location that `url` names, to be written to.

    Raises:
        UserError: the URL holds credentials, or its protocol cannot write a file atomically.
    """
    if public(url) != url:
        raise UserError(
            f"{public(url)}: credentials and queries do not belong in an output's address; "
            "give them in the environment or by the cloud's own chain"
        )
    protocol = url.partition("://")[0]
    # The memory of this process serves tests; `normalized` refuses it to users.
    if protocol not in (*ATOMIC_PROTOCOLS, "memory"):
        raise UserError(
            f"{url}: files cannot be written atomically there; use a local or mounted folder, or "
            f"{', '.join(ATOMIC_PROTOCOLS)}"
        )
    return Remote(url.rstrip("/"), store_timeout_s)


def is_url(text: str) -> bool:
    return bool(_URL_START.match(text))
