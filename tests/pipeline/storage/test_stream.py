"""A streamed file is whole or not there."""

import hashlib

import pytest

from pipeline.storage.files import is_temporary
from pipeline.storage.stream import FileStream


def test_the_file_is_there_once_it_is_committed(tmp_path):
    path = tmp_path / "folder" / "file.bin"
    stream = FileStream(path)
    for piece in (b"one", b"two"):
        stream.write(piece)
    assert not path.exists()
    assert all(is_temporary(other) for other in path.parent.iterdir())
    assert stream.tell() == stream.size == 6
    assert stream.commit() == hashlib.sha256(b"onetwo").hexdigest()
    assert path.read_bytes() == b"onetwo"
    stream.discard()
    assert [*path.parent.iterdir()] == [path]


def test_what_is_discarded_leaves_nothing(tmp_path):
    stream = FileStream(tmp_path / "file.bin")
    stream.write(b"one")
    stream.discard()
    assert list(tmp_path.iterdir()) == []


def test_an_error_names_the_file(tmp_path, monkeypatch):
    stream = FileStream(tmp_path / "file.bin")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    with pytest.raises(OSError, match=r"No space left on device; .*file\.bin"):
        stream.commit()
    stream.discard()
    assert list(tmp_path.iterdir()) == []
