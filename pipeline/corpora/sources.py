"""Corpora that a command reads, while another command may begin to change them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from pipeline.errors import UserError
from pipeline.output.run.run_file import RUN_FILE
from pipeline.storage.files import Location, size_of
from pipeline.storage.lease import writer_of
from pipeline.storage.regular import read_file


@contextmanager
def reading(*sources: Location) -> Iterator[None]:
    """For reading corpora that nobody must write meanwhile.

    What looks like damage while a run or a retry is at work on a corpus is its work: so errors are
    replaced by that cause if it is one.

    Raises:
        UserError: another command is writing a source, or has changed it meanwhile.
    """
    before = _run_files(sources)
    try:
        for source in sources:
            _refuse_writer(source)
        yield
    except (UserError, OSError, ValueError):
        for source in sources:
            _refuse_writer(source)
        changed = [old != new for old, new in zip(before, _run_files(sources), strict=True)]
        if any(changed):
            raise UserError(
                f"{sources[changed.index(True)]} was changed by another command while it was "
                "read; let that finish, then give this command again"
            ) from None
        raise


def _refuse_writer(source: Location) -> None:
    if (writer := writer_of(source)) is not None:
        raise UserError(
            f"a run or a retry is writing {source} ({writer}); wait until it ends, then give this "
            "command again"
        )


def _run_files(sources: Sequence[Location]) -> list[bytes]:
    """The content of each `run.json`; empty where there is none."""
    files = [source / RUN_FILE for source in sources]
    return [read_file(file) if size_of(file) is not None else b"" for file in files]
