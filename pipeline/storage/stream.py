"""A file that is written piece by piece, and is whole or not there."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import tempfile
from typing import IO

from pipeline.storage.files import Location, sync_folder, temporary_name
from pipeline.storage.remote import Remote


class FileStream:
    """Bytes on their way to a file, which is there once `commit` returns.

    On a file system they go to a temporary name beside it; for an object store, to a local file.
    """

    def __init__(self, path: Location):
        self.path, self.size, self._sha256 = path, 0, hashlib.sha256()
        self.handle: IO[bytes]
        if isinstance(path, Remote):
            self.temporary = None
            self.handle = tempfile.NamedTemporaryFile(prefix="muse-batch-")  # noqa: SIM115
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            self.temporary = path.with_name(temporary_name(path.name))
            self.handle = self.temporary.open("wb")

    def write(self, data: bytes) -> int:
        try:
            self.handle.write(data)
        except OSError as error:
            raise self._error(error) from error
        self._sha256.update(data)
        self.size += len(data)
        return len(data)

    def tell(self) -> int:
        return self.size

    @property
    def closed(self) -> bool:
        return self.handle.closed

    def commit(self) -> str:
        """Put the file in its place, durably; returns the SHA-256 of its content as hex."""
        if isinstance(self.path, Remote):
            self.handle.flush()
            self.path.put_file(self.handle.name)
            self.handle.close()
            return self._sha256.hexdigest()
        assert self.temporary is not None
        try:
            self.handle.flush()
            os.fsync(self.handle.fileno())
            self.handle.close()
            os.replace(self.temporary, self.path)
            sync_folder(self.path.parent)
        except OSError as error:
            raise self._error(error) from error
        return self._sha256.hexdigest()

    def discard(self) -> None:
        """Forget what was written, if it was not committed."""
        with contextlib.suppress(OSError):
            self.handle.close()
        if self.temporary is not None:
            with contextlib.suppress(OSError):
                self.temporary.unlink(missing_ok=True)

    def _error(self, error: OSError) -> OSError:
        """The error with the path that the user knows."""
        reason = f"{error.strerror or error}; {self.size:,} bytes were written to"
        return OSError(error.errno or errno.EIO, reason, str(self.path))
