"""Files that are read only if they are regular ones: to open a pipe may wait for ever."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import IO

from pipeline.errors import UserError
from pipeline.storage.remote import Remote

_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


class SpecialFileError(UserError, OSError):
    """A pipe, a folder or the like where a file of a run has to be."""


def open_file(path: Path | Remote) -> IO[bytes]:
    """A file of a run, open to be read at any position.

    Raises:
        SpecialFileError: it is not a regular file.
        OSError: it is not there, or cannot be read.
    """
    if isinstance(path, Remote):
        return path.open("rb")
    # Opened without waiting, then checked: between a check and an opening, it may be replaced.
    try:
        handle = open(path, "rb", opener=_without_waiting)  # noqa: SIM115
    except OSError:
        # A socket cannot be opened at all, nor can a folder.
        refuse_special(path)
        raise
    mode = os.fstat(handle.fileno()).st_mode
    if not stat.S_ISREG(mode):
        handle.close()
        raise _refusal(path, mode)
    return handle


def read_file(path: Path | Remote) -> bytes:
    """The content of a file of a run.

    Raises:
        SpecialFileError: it is not a regular file.
        OSError: it is not there, or cannot be read.
    """
    if isinstance(path, Remote):
        return path.read_bytes()
    with open_file(path) as handle:
        return handle.read()


def refuse_special(path: Path | Remote) -> None:
    """
    Raises:
        SpecialFileError: something is there that is not a regular file.
    """
    if isinstance(path, Remote):
        return
    try:
        mode = path.stat().st_mode
    except OSError:
        return
    if not stat.S_ISREG(mode):
        raise _refusal(path, mode)


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)


def _refusal(path: Path, mode: int) -> SpecialFileError:
    kind = _KINDS.get(stat.S_IFMT(mode), "something else")
    return SpecialFileError(
        f"{path} is {kind}, not a regular file; remove it, or restore the file from a copy"
    )
