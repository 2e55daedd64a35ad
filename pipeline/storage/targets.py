"""Where commands may write: not into a corpus, nor through a link that leads nowhere."""

from __future__ import annotations

import json
from pathlib import Path

from pipeline.errors import UserError
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


def refuse_target(target: Path | Remote) -> None:
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
    if target.is_symlink() and not target.exists():
        raise UserError(
            f"{target} is a link to {target.readlink()}, which does not exist; make that, or "
            "remove the link"
        )
    # `absolute`, too: a path may lead into a corpus by a link of the same name.
    for path in (target.absolute(), target.resolve()):
        for folder in path.parents:
            if is_run_folder(folder):
                raise UserError(
                    f"{target} lies in {folder}, which is the output of a run (it has a "
                    f"{RUN_FILE}); give a place outside of it"
                )
