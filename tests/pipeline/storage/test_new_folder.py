"""Folders that appear whole: after faults, kills and beside each other."""

import errno
import os

import pytest

from pipeline.errors import UserError
from pipeline.storage import new_folder as module
from pipeline.storage.new_folder import new_folder
from pipeline.storage.regular import read_file


def test_it_appears_at_the_end(tmp_path):
    with new_folder(tmp_path / "a" / "new") as part:
        (part / "x").write_text("1")
        assert not (tmp_path / "a" / "new").exists()
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["new"]
    assert (tmp_path / "a" / "new" / "x").read_text() == "1"


def test_a_full_disk_is_told_with_path_and_size_and_leaves_nothing(tmp_path):
    def fill_the_disk():
        with new_folder(tmp_path / "new") as part:
            (part / "x").write_text("12345")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(OSError, match="No space left on device; 5 bytes were written to") as raised:
        fill_the_disk()
    assert raised.value.filename == str(tmp_path / "new")
    assert not list(tmp_path.iterdir())


def test_an_error_of_a_file_elsewhere_is_not_told_as_one_of_the_folder(tmp_path):
    source = tmp_path / "source"

    def read_the_source():
        with new_folder(tmp_path / "new") as part:
            (part / "x").write_text("12345")
            read_file(source)

    with pytest.raises(FileNotFoundError) as raised:
        read_the_source()
    assert raised.value.filename == str(source)
    os.mkfifo(source)
    with pytest.raises(UserError, match="source is a pipe, not a regular file"):
        read_the_source()
    assert [path.name for path in tmp_path.iterdir()] == ["source"]


def test_two_at_once_do_not_disturb_each_other(tmp_path):
    with new_folder(tmp_path / "new") as part:
        (part / "x").write_text("1")
        second = new_folder(tmp_path / "new")
        with pytest.raises(UserError, match=r"another command is writing .*new; wait for it"):
            second.__enter__()
        with new_folder(tmp_path / "other"):
            pass
    assert (tmp_path / "new" / "x").read_text() == "1"


def test_what_a_kill_left_behind_is_removed(tmp_path):
    if not (child := os.fork()):
        with new_folder(tmp_path / "new") as part:
            (part / "x").write_text("1")
            os._exit(0)
    os.waitpid(child, 0)
    assert len(list(tmp_path.iterdir())) == 1
    with new_folder(tmp_path / "new"):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["new"]


@pytest.mark.parametrize("moment", ["before it is opened", "before it is locked"])
def test_another_command_that_finishes_meanwhile_is_not_in_the_way(tmp_path, monkeypatch, moment):
    left = tmp_path / f".new.{'0' * 32}.muse-part"
    left.mkdir()
    open_, lock = os.open, module._lock

    def finish():
        if left.exists():
            left.rename(tmp_path / "finished")

    def opened(path, *arguments):
        if path == left:
            finish()
        return open_(path, *arguments)

    def locked(handle, wait):
        if not wait:
            finish()
        return lock(handle, wait)

    if moment == "before it is opened":
        monkeypatch.setattr(os, "open", opened)
    else:
        monkeypatch.setattr(module, "_lock", locked)
    with new_folder(tmp_path / "new"):
        pass
    assert sorted(path.name for path in tmp_path.iterdir()) == ["finished", "new"]


def test_where_nothing_can_be_written_that_is_said(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot be written"):
        new_folder(tmp_path / "file" / "new").__enter__()
