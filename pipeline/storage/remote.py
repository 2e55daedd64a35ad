"""A place on an object store, with the few methods of `Path` that a run uses, and the patience that it takes.

Every call is tried again with growing pauses while its budget lasts, then the run stops with the place and the cause.
An object appears under its name whole or not at all: one put, or a multipart upload that is completed at its end.
"""

from __future__ import annotations

import fnmatch
import logging
import posixpath
import random
import re
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import IO, Any, TypeVar

from pipeline.errors import RunStopped, UserError

STORE_TIMEOUT_S = 120.0
"""Seconds for which one call is tried again."""
FIRST_PAUSE, LONGEST_PAUSE = 0.2, 20.0
BLOCK = 16 << 20
IN_MEMORY = 64 << 20
"""Bytes of an opened object up to which it stays in memory; a larger one lies in a nameless temporary file."""

WHOLE = ("s3", "s3a", "gs", "gcs", "hf", "az", "abfs", "abfss", "memory")
"""Protocols on which one put is atomic."""
_QUICK_CLIENT = {
    "config_kwargs": {
        "connect_timeout": 10,
        "read_timeout": 60,
        "retries": {"total_max_attempts": 1, "mode": "standard"},
    }
}
OPTIONS: dict[str, dict[str, Any]] = {"s3": _QUICK_CLIENT, "s3a": _QUICK_CLIENT}
"""A client that gives up soon leaves the waiting to us, with one budget. gcsfs cannot be told to: it tries each call
six times by itself, within about a minute, by which a stop on `gs://` may come later."""

# It prints a traceback of every call that it gives up; the cause is told here, once.
logging.getLogger("gcsfs").setLevel(logging.CRITICAL)

FOR_GOOD = (
    UserError,
    RunStopped,
    FileNotFoundError,
    ValueError,
    TypeError,
    NotImplementedError,
    IsADirectoryError,
)
"""What another try does not mend."""
REFUSALS = (
    *(
        "NoCredentials",
        "PartialCredentials",
        "CredentialRetrieval",
        "TokenRetrieval",
        "UnauthorizedSSO",
        "ExpiredToken",
    ),
    *("RefreshError", "DefaultCredentialsError", "GatedRepo", "LoginError", "ClientAuthentication"),
)
"""Beginnings of the names under which the clouds' libraries say that nobody is let in."""

_URL = re.compile(
    r"(?P<scheme>\b[A-Za-z][A-Za-z0-9+.-]*://)(?:[^/\s'\"@]*@)?(?P<rest>[^\s?'\"#]*)(?:[?#][^\s'\",)]*)?"
)
_OF_URL = re.compile(r"^[a-z][a-z0-9+.-]*://")
T = TypeVar("T")


def public(text: str) -> str:
    """`text` with its URLs cut to what may be told: no user, no password, no query (which may hold a signature)."""
    return _URL.sub(lambda url: url["scheme"] + url["rest"], text)


def attempt(call: Callable[[], T], where: str, store_timeout_s: float = STORE_TIMEOUT_S) -> T:
    """The result of `call`, tried again after passing faults (500s, throttling, timeouts, cut connections).

    Args:
        where: the place as it is told, without secrets.
        store_timeout_s: seconds within which a new try may begin.

    Raises:
        FileNotFoundError, ValueError and the like: another try would not help.
        RunStopped: nobody is let in (told at once), or the budget is spent.
    """
    began, pause = time.monotonic(), FIRST_PAUSE
    while True:
        try:
            return call()
        except FOR_GOOD:
            raise
        except Exception as error:  # clients raise OSError, their own and their libraries' errors
            told = f"{type(error).__name__}: {' '.join(public(str(error)).split())}".rstrip(": ")
            if _is_refusal(error):
                raise RunStopped(
                    f"{where}: access refused ({told}); give valid credentials in the environment "
                    "or by the cloud's own chain"
                ) from None
            wait = min(pause, LONGEST_PAUSE) * random.uniform(0.5, 1.5)
            spent = time.monotonic() - began
            if spent + wait > store_timeout_s:
                raise RunStopped(f"{where}: gave up after {spent:.0f} s ({told})") from None
            time.sleep(wait)
            pause *= 2


def _is_refusal(error: Exception) -> bool:
    """Whether the store lets nobody in. gcsfs says so by an OSError of 403, or an error with the code 401."""
    if isinstance(error, PermissionError) or type(error).__name__.startswith(REFUSALS):
        return True
    return str(error).startswith("Forbidden: ") or getattr(error, "code", None) == 401


@dataclass(frozen=True, order=True)
class Remote:
    """One object, or the folder of a prefix.

    Attributes:
        url: with its protocol, without credentials.
        store_timeout_s: seconds for which one call is tried again.
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
        """What lies in the folder, in the order of names; nothing if there is no such folder."""
        try:
            paths = self._try(lambda fs, path: fs.ls(path, detail=False))
        except FileNotFoundError:
            return
        # Some stores list a folder's own placeholder within it.
        names = {posixpath.basename(path.rstrip("/")) for path in paths} - {self.name, ""}
        yield from (self / name for name in sorted(names))

    def glob(self, pattern: str) -> Iterator[Remote]:
        return (place for place in self.iterdir() if fnmatch.fnmatchcase(place.name, pattern))

    def read_bytes(self, most: int | None = None) -> bytes:
        """The object, or its first `most` bytes."""
        return self._try(lambda fs, path: fs.cat_file(path, start=0 if most else None, end=most))

    def read_text(self) -> str:
        return self.read_bytes().decode()

    def blocks(self) -> Iterator[bytes]:
        """The object in pieces, each tried again by itself."""
        size = self._try(lambda fs, path: fs.info(path)["size"])
        if size is None:  # a web server that does not say
            yield self.read_bytes()
            return
        for start in range(0, size, BLOCK):
            end = min(size, start + BLOCK)
            yield self._piece(start, end)

    def _piece(self, start: int, end: int) -> bytes:
        return self._try(
            lambda fs, path: _whole(fs.cat_file(path, start=start, end=end), end - start)
        )

    def open(self, mode: str = "rb") -> IO[bytes]:
        """A local copy of the object, to be read at any position."""
        if mode != "rb":
            raise ValueError(f"an object can be opened for reading, not with mode {mode!r}")
        copy = tempfile.SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115 - the caller closes it
        for block in self.blocks():
            copy.write(block)
        copy.seek(0)
        return copy

    def put(self, data: bytes) -> None:
        """Store `data` as this object, whole or not at all."""
        try:
            self._try(lambda fs, path: fs.pipe_file(path, data))
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
        raise OSError(f"{len(data)} of {size} bytes came")
    return data


def _file_system(url: str) -> tuple[Any, str]:
    """The file system of a URL (made once a process and protocol) and the path in it.

    Listings are not cached, for other processes write too.
    """
    import fsspec

    scheme = url.partition("://")[0]
    try:
        fs, path = fsspec.url_to_fs(url, use_listings_cache=False, **OPTIONS.get(scheme, {}))
        if scheme in ("s3", "s3a"):
            fs.retries = 1  # of its own, beside those of its client
        return fs, path
    except (
        ImportError,
        ValueError,
    ) as error:  # its package is not installed, or there is no such protocol
        raise UserError(f"{public(url)}: {public(str(error))}") from None


def remote(url: str, store_timeout_s: float = STORE_TIMEOUT_S) -> Remote:
    """The place that `url` names, to be written to.

    Raises:
        UserError: the URL holds credentials, or its protocol cannot put a file whole.
    """
    if public(url) != url:
        raise UserError(f"{public(url)}: credentials and queries do not belong in an output's address; "
                        "give them in the environment or by the cloud's own chain")  # fmt: skip
    protocol = url.partition("://")[0]
    if protocol not in WHOLE:
        raise UserError(
            f"{url}: files cannot be put there whole; use a local or mounted folder, or {', '.join(WHOLE)}"
        )
    return Remote(url.rstrip("/"), store_timeout_s)


def is_url(text: str) -> bool:
    return bool(_OF_URL.match(text))
