"""Files that are whole or not there: a temporary name, then a rename; checksums."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
from pathlib import Path
from typing import Any

from pipeline.errors import UserError

BLOCK = 1 << 20


def write_bytes(path: Path, data: bytes) -> str:
    """Write durably and atomically; returns the SHA-256 of the data as hex.

    The temporary name starts with a dot, so that no reader's pattern matches it.

    Raises:
        OSError: with the path and the bytes that were to be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(temporary, "wb") as handle:
            handle.write(data)
            handle.flush()
            os.fsync(handle.fileno())
        os.replace(temporary, path)
    except OSError as error:
        # Half a file on a full disk is in the way of those who make room.
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        why = f"{error.strerror or error}; {len(data):,} bytes were to be written to"
        raise OSError(error.errno or errno.EIO, why, str(path)) from error
    return hashlib.sha256(data).hexdigest()


def write_json(path: Path, value: Any) -> str:
    """`write_bytes` of canonical JSON: sorted keys, indented, a newline at the end."""
    return write_bytes(path, (json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode())


def read_json(path: Path) -> Any:
    """
    Raises:
        UserError: the file is not JSON any more.
    """
    try:
        return json.loads(path.read_text())
    except ValueError as error:
        raise UserError(f"{path} is damaged: {error}; restore it from a copy") from None


def sha256_file(path: Path) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as handle:
        while block := handle.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()


def sha256_folder(folder: Path) -> str:
    """One hash of a model folder: of every file's relative name and content, in the order of names."""
    digest = hashlib.sha256()
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        digest.update(f"{file.relative_to(folder).as_posix()}\0{sha256_file(file)}\n".encode())
    return digest.hexdigest()


def clear_temporaries(folder: Path) -> None:
    """Remove what an interrupted `write_bytes` left behind."""
    for leftover in folder.rglob(".*.part"):
        leftover.unlink(missing_ok=True)
