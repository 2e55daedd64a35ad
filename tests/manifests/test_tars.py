"""Samples from tar archives: names as tar and WebDataset write them, and archives that are not
whole."""

import io
import os
import tarfile
from collections import Counter

import pytest

from manifests.tars import DamagedTarError, read_samples


def _write(path, names, mode="w"):
    with tarfile.open(path, mode) as archive:
        for name in names:
            info = tarfile.TarInfo(name)
            info.size = 600
            archive.addfile(info, io.BytesIO(name.encode().ljust(600)))
    return path


def _read(path, ignored=None):
    return list(read_samples(path, Counter() if ignored is None else ignored))


@pytest.mark.parametrize("prefix", ["", "./", "v1.0/", "./a.b/c.d/"])
@pytest.mark.parametrize("suffix", ["tar", "tar.gz"])
def test_folders_and_dots_in_names(tmp_path, prefix, suffix):
    names = [f"{prefix}{n:04d}.{end}" for n in range(3) for end in ("JPG", "cls", "left.png")]
    path = _write(tmp_path / f"x.{suffix}", names, "w:gz" if suffix == "tar.gz" else "w")
    samples = _read(path)
    assert [key for key, _ in samples] == [f"{prefix}{n:04d}" for n in range(3)]
    assert all(set(parts) == {"jpg", "cls", "left.png"} for _, parts in samples)
    assert samples[1][1]["jpg"].strip().decode() == f"{prefix}0001.JPG"


def test_the_same_name_in_two_folders_is_two_samples(tmp_path):
    path = _write(tmp_path / "x.tar", ["a/1.jpg", "b/1.jpg"])
    assert [key for key, _ in _read(path)] == ["a/1", "b/1"]


def test_hidden_members_are_ignored_and_counted(tmp_path):
    ignored = Counter()
    names = ["._1.jpg", "1.jpg", "./._1.cls", "1.cls", "__MACOSX/1.jpg", "README"]
    (sample,) = _read(_write(tmp_path / "x.tar", names), ignored)
    assert set(sample[1]) == {"jpg", "cls"}
    assert ignored.total() == 4


def _damaged(data: bytes, how: str) -> bytes:
    if how == "header":
        return data[: 2 * 1536] + b"x" * 512 + data[2 * 1536 + 512 :]
    cut = {"in a member": 1536 + 700, "at a member": 3 * 1536, "in a header": 1536 + 100}[how]
    return data[:cut]


@pytest.mark.parametrize("how", ["in a member", "at a member", "in a header", "header"])
def test_an_archive_that_is_not_whole_is_refused_by_name(tmp_path, how):
    path = _write(tmp_path / "x.tar", [f"{n}.jpg" for n in range(8)])
    path.write_bytes(_damaged(path.read_bytes(), how))
    with pytest.raises(DamagedTarError, match=r"x\.tar: not a whole tar file"):
        _read(path)


def test_a_compressed_archive_that_is_cut_is_refused(tmp_path):
    path = _write(tmp_path / "x.tar.gz", [f"{n}.jpg" for n in range(8)], "w:gz")
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(DamagedTarError, match="not a whole tar file"):
        _read(path)


def test_what_is_no_archive_is_refused(tmp_path):
    (tmp_path / "x.tar").write_bytes(b"no archive at all")
    with pytest.raises(DamagedTarError, match="not a whole tar file"):
        _read(tmp_path / "x.tar")


def test_an_archive_of_no_bytes_is_refused_in_one_line(tmp_path):
    (tmp_path / "x.tar").write_bytes(b"")
    with pytest.raises(DamagedTarError) as caught:
        _read(tmp_path / "x.tar")
    assert "\n" not in str(caught.value)


def test_a_checksum_that_differs_is_refused(tmp_path):
    path = _write(tmp_path / "x.tar.gz", ["0.jpg"], "w:gz")
    path.write_bytes(path.read_bytes()[:-6] + b"abcdef")
    with pytest.raises(DamagedTarError, match="CRC check failed"):
        _read(path)


@pytest.mark.parametrize("how", ["zeros within", "two archives"])
def test_what_follows_the_end_of_an_archive_is_not_dropped_in_silence(tmp_path, how):
    path = _write(tmp_path / "x.tar", ["0.jpg", "1.jpg"])
    data = bytearray(path.read_bytes())
    if how == "zeros within":
        data[1536:2048] = bytes(512)
    path.write_bytes(data if how == "zeros within" else data * 2)
    with pytest.raises(DamagedTarError, match="further data follow the end of the archive"):
        _read(path)


def test_a_member_that_is_there_twice_is_refused(tmp_path):
    path = _write(tmp_path / "x.tar", ["0.jpg", "0.jpg"])
    with pytest.raises(DamagedTarError, match=r"the sample 0 has two members \.jpg"):
        _read(path)


@pytest.mark.timeout(20)
def test_a_pipe_is_refused_instead_of_waiting_for_its_other_end(tmp_path):
    os.mkfifo(tmp_path / "x.tar")
    with pytest.raises(DamagedTarError, match="is not a regular file"):
        _read(tmp_path / "x.tar")


@pytest.mark.parametrize("last", ["0.json", "0.jpg"])
def test_a_sample_that_comes_back_after_another_is_refused_with_the_remedy(tmp_path, last):
    path = _write(tmp_path / "x.tar", ["0.jpg", "1.jpg", last])
    match = rf"x\.tar: the member {last} stands apart .* sample 0; .*tar --sort=name -cf x\.tar"
    with pytest.raises(DamagedTarError, match=match):
        _read(path)
