"""A local folder that is whole or not there."""

from __future__ import annotations

import errno
import fcntl
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from pipeline.errors import UserError
from pipeline.storage.files import first_write, sizes_below, temporary_name


@contextmanager
def new_folder(output: Path) -> Iterator[Path]:
    """A folder beside `output` to write to, which takes its name at the end of the context.

    After an error nothing is left of it; what a kill left behind, the next call for the same name
    removes.

    Raises:
        UserError: another process is making the same folder, or nobody can make it there.
        OSError: with the path of `output` and the bytes that were written. An error that names
            another file, or that is the user's mistake, is left as it is.
    """
    with first_write(output):
        output.parent.mkdir(parents=True, exist_ok=True)
        part, lock = _begin(output)
    with lock:
        try:
            yield part
            part.rename(output)
        except OSError as error:
            if isinstance(error, UserError) or _names_another_file(error, part):
                raise
            size = sum(sizes_below(part).values())
            reason = f"{error.strerror or error}; {size:,} bytes were written to"
            raise OSError(error.errno or errno.EIO, reason, str(output)) from error
        finally:
            shutil.rmtree(part, ignore_errors=True)


def _names_another_file(error: OSError, part: Path) -> bool:
    """Whether an error is of a file outside the new folder, as of one that is read meanwhile."""
    if not isinstance(error.filename, (str, bytes, os.PathLike)):
        return False
    file = Path(os.fsdecode(error.filename))
    return not file.absolute().is_relative_to(part.absolute())


def _begin(output: Path) -> tuple[Path, ExitStack]:
    """The new folder, and its lock, which says that this process is at work on it.

    Raises:
        UserError: another process has such a folder and its lock.
    """
    ours = re.compile(rf"\.{re.escape(output.name)}\.[0-9a-f]{{32}}\.muse-part")
    part, lock = output.with_name(temporary_name(output.name)), ExitStack()
    # One process at a time looks for others, and is seen by the next one.
    with _locked(output.parent, wait=True):
        for path in output.parent.iterdir():
            if not ours.fullmatch(path.name):
                continue
            # Its command may finish just now, which gives the folder its name or removes it.
            try:
                with _locked(path) as is_left_behind:
                    if not is_left_behind:
                        raise UserError(f"another command is writing {output}; wait for it")
                    shutil.rmtree(path, ignore_errors=True)
            except FileNotFoundError:
                continue
        part.mkdir()
        lock.enter_context(_locked(part))
    return part, lock


@contextmanager
def _locked(folder: Path, wait: bool = False) -> Iterator[bool]:
    """Within the context, a folder is locked for this process; gives whether it could be.

    A lock ends with its process.
    """
    handle = os.open(folder, os.O_RDONLY)
    try:
        yield _lock(handle, wait)
    finally:
        os.close(handle)


def _lock(handle: int, wait: bool) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    except OSError:
        # The file system has no locks: nobody is kept out.
        return True
    return True
