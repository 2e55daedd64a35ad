"""Where commands may write: not into a corpus, nor through a link that leads nowhere."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

from pipeline.errors import UserError
from pipeline.storage.addresses import is_utf8
from pipeline.storage.files import Location, is_temporary
from pipeline.storage.regular import read_file
from pipeline.storage.remote import Remote

RUN_FILE = "run.json"


def is_run_folder(folder: Path) -> bool:
    """Whether a local folder is the output of a run, which other programs' `run.json` does not make
    it. A damaged one counts where something else of a run lies beside it."""
    file = folder / RUN_FILE
    if not file.is_file():
        return False
    if (folder / "_state").is_dir():
        return True
    try:
        content = json.loads(read_file(file))
    except (OSError, ValueError, RecursionError):
        return (folder / "shards").is_dir()
    return isinstance(content, dict) and {"fingerprint", "parts"} <= content.keys()


def refuse_target(target: Location) -> None:
    """Refuse a place at which nothing new can be written without harm.

    What lies in a corpus besides its own files is taken for damage, and is uploaded or removed with
    it. Of an object store the folders above are not looked at: that may need other permissions.

    Args:
        target: a file or folder that a command is to make; it may exist.

    Raises:
        UserError: it is such a place.
    """
    if isinstance(target, Remote):
        return
    if not is_utf8(str(target)):
        raise UserError(f"{str(target)!r}: is not UTF-8; give another name")
    if target.is_symlink() and not target.exists():
        raise UserError(
            f"{target} is a link to {target.readlink()}, which does not exist; make that, or "
            "remove the link"
        )
    # `absolute`, too: a path may lead into a corpus by a link of the same name.
    for path in (target.absolute(), Path(os.path.realpath(target))):
        for folder in path.parents:
            if is_run_folder(folder):
                raise UserError(
                    f"{target} lies in {folder}, which is the output of a run (it has a "
                    f"{RUN_FILE}); give a place outside of it"
                )


def refuse_place(output: Location) -> None:
    """Refuse an output for a new run by what a look at it tells; one that holds a run is accepted.

    Raises:
        UserError: it holds something else, or nothing can be written there; or as `refuse_target`.
    """
    if (output / RUN_FILE).exists():
        return
    refuse_target(output)
    if holds_something_else(output):
        raise UserError(
            f"--output {output} exists and is not a muse-batch run: it has no {RUN_FILE}; "
            "give a new or empty folder, or restore that file from a copy"
        )
    if isinstance(output, Path) and (cause := why_not_writable(output)):
        raise UserError(f"{output} cannot be written ({cause}); give a place that can be")


def holds_something_else(output: Location) -> bool:
    """Whether a place without a run file is more than an empty folder."""
    if not output.exists():
        return False
    if not output.is_dir():
        return True
    # A driver that was killed before it had written the run file may have left these two.
    others = (path for path in output.iterdir() if path.name != "_state" and not is_temporary(path))
    return any(others)


def why_not_writable(folder: Path) -> str | None:
    """Why a folder cannot be written or made, by the nearest one above that exists; None if it
    can be, as far as is known before."""
    path = folder.absolute()
    nearest = next(place for place in (path, *path.parents) if place.exists())
    if not nearest.is_dir():
        return os.strerror(errno.ENOTDIR)
    if os.statvfs(nearest).f_flag & os.ST_RDONLY:
        return os.strerror(errno.EROFS)
    return None if os.access(nearest, os.W_OK | os.X_OK) else os.strerror(errno.EACCES)
