"""Markers: what is taken for one, and the files they name."""

import json
from dataclasses import replace

import pytest

from pipeline.errors import UserError
from pipeline.output.markers import (
    Cursor,
    Marker,
    damaged_shards,
    file_of,
    marker_file,
    read_marker,
    read_markers,
    shard_folder,
    write_marker,
)
from pipeline.storage.files import write_bytes


def _commit(output, number: int) -> Marker:
    """A shard of two files whose content is their name."""
    files = {f"{number:05d}.tar": b"tar", f"{number:05d}.parquet": b"parquet"}
    digests = {name: write_bytes(file_of(output, name), data) for name, data in files.items()}
    marker = Marker(
        shard=number,
        first=Cursor(number, 1),
        next=Cursor(number + 1, 1),
        requests=4,
        accepted=2,
        rejected=1,
        failed=1,
        emotions={"awe": 2},
        sha256=digests,
        bytes={name: len(data) for name, data in files.items()},
    )
    write_marker(output, marker)
    return marker


def test_a_marker_comes_back_as_it_was_written(tmp_path):
    written = [_commit(tmp_path, number) for number in range(3)]
    assert read_markers(tmp_path) == written


def test_markers_are_read_up_to_the_first_gap(tmp_path):
    written = [_commit(tmp_path, number) for number in range(3)]
    marker_file(tmp_path, 1).unlink()
    assert read_markers(tmp_path) == written[:1]
    assert list(damaged_shards(tmp_path)) == [
        "shards/00001.json: is missing, and later shards are there"
    ]


@pytest.mark.parametrize(
    "change",
    [
        {"next": [1]},
        {"next": 5},
        {"first": [0, "1"]},
        {"first": [0, -1]},
        {"requests": None},
        {"accepted": True},
        {"emotions": []},
        {"emotions": {"awe": 0.5}},
        {"sha256": {"00000.tar": "0"}},
        {"sha256": []},
        {"bytes": {}},
    ],
)
def test_a_wrong_type_is_reported_as_damage(tmp_path, change):
    _commit(tmp_path, 0)
    path = marker_file(tmp_path, 0)
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(UserError, match=r"00000\.json is damaged"):
        read_markers(tmp_path)


@pytest.mark.parametrize("content", [b"", b"[]", b"null", b"7", b"{", b"\xff"])
def test_what_is_no_marker_is_reported_as_damage(tmp_path, content):
    path = marker_file(tmp_path, 0)
    write_bytes(path, content)
    with pytest.raises(UserError, match=r"00000\.json is damaged"):
        read_marker(path)


def test_missing_and_resized_files_are_found_without_reading_tars(tmp_path):
    marker = _commit(tmp_path, 0)
    assert list(damaged_shards(tmp_path)) == []
    (shard_folder(tmp_path) / "00000.tar").write_bytes(b"ta")
    (shard_folder(tmp_path) / "00000.parquet").write_bytes(b"Parquet")
    assert list(damaged_shards(tmp_path)) == [
        "shards/00000.parquet: its content is not what was committed (SHA-256 differs)",
        "shards/00000.tar: has 2 bytes where 3 were committed",
    ]
    (shard_folder(tmp_path) / "00000.tar").unlink()
    assert list(damaged_shards(tmp_path))[1] == "shards/00000.tar: is missing"
    assert replace(marker, shard=12).name == "00012"
