"""Pipes, folders and devices where files of a run have to be: refused, and never waited for."""

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.errors import UserError
from pipeline.storage.regular import open_file, read_file, refuse_special


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _folder(path: Path) -> None:
    path.mkdir()


def _socket(path: Path) -> None:
    # The name of a socket may have some hundred characters alone.
    before = os.getcwd()
    os.chdir(path.parent)
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(path.name)
    os.chdir(before)


def _device(path: Path) -> None:
    path.symlink_to("/dev/zero")


SPECIAL: list[tuple[Callable[[Path], None], str]] = [
    (_pipe, "a pipe"),
    (_folder, "a folder"),
    (_socket, "a socket"),
    (_device, "a device"),
]


@pytest.mark.parametrize(("make", "kind"), SPECIAL)
@pytest.mark.parametrize("call", [open_file, read_file, refuse_special])
def test_what_is_no_regular_file_is_refused_by_kind(tmp_path, call, make, kind):
    make(tmp_path / "x")
    with pytest.raises(UserError, match=f"x is {kind}, not a regular file; remove it"):
        call(tmp_path / "x")


def test_regular_files_are_read_also_through_a_link(tmp_path):
    (tmp_path / "x").write_bytes(b"abc")
    (tmp_path / "link").symlink_to("x")
    assert read_file(tmp_path / "link") == b"abc"
    with open_file(tmp_path / "x") as handle:
        handle.seek(1)
        assert handle.read() == b"bc"
    refuse_special(tmp_path / "x")


def test_nothing_is_refused_where_nothing_is(tmp_path):
    refuse_special(tmp_path / "x")
    with pytest.raises(FileNotFoundError):
        read_file(tmp_path / "x")
