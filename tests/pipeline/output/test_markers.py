"""Markers: what is taken for one, and the files they name."""

import json
import random
from dataclasses import replace

import pytest

from pipeline.errors import UserError
from pipeline.output.markers import (
    Cursor,
    Marker,
    file_of,
    marker_file,
    read_marker,
    read_markers,
    write_marker,
)
from pipeline.storage.files import write_bytes


def commit(output, previous: Marker | None = None) -> Marker:
    """A shard of two small files that follows another one."""
    number = previous.shard + 1 if previous else 0
    files = {f"{number:08d}.tar": b"tar", f"{number:08d}.parquet": b"parquet"}
    digests = {name: write_bytes(file_of(output, name), data) for name, data in files.items()}
    marker = Marker(
        shard=number,
        first=previous.next if previous else Cursor(),
        next=Cursor(number + 1, 1),
        requests=4,
        accepted=2,
        rejected=1,
        failed=1,
        emotions={"awe": 2},
        sha256=digests,
        bytes={name: len(data) for name, data in files.items()},
        previous=previous.digest if previous else "",
    )
    write_marker(output, marker)
    return marker


def commit_all(output, count: int) -> list[Marker]:
    markers: list[Marker] = []
    for _ in range(count):
        markers.append(commit(output, markers[-1] if markers else None))
    return markers


def test_a_marker_comes_back_as_it_was_written(tmp_path):
    written = commit_all(tmp_path, 3)
    assert read_markers(tmp_path) == written


def test_markers_are_read_up_to_the_first_gap(tmp_path):
    written = commit_all(tmp_path, 3)
    marker_file(tmp_path, 1).unlink()
    assert read_markers(tmp_path) == written[:1]


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
        {"sha256": {"00000000.tar": "0"}},
        {"sha256": []},
        {"bytes": {}},
    ],
)
def test_a_wrong_type_is_reported_as_damage(tmp_path, change):
    commit(tmp_path)
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


@pytest.mark.parametrize("seed", range(3))
def test_a_changed_byte_is_reported_as_damage(tmp_path, seed):
    """One bit of every byte in turn."""
    commit_all(tmp_path, 2)
    rng, path = random.Random(seed), marker_file(tmp_path, 1)
    data = path.read_bytes()
    for place in range(len(data)):
        changed = bytearray(data)
        changed[place] ^= 1 << rng.randrange(8)
        path.write_bytes(changed)
        with pytest.raises(UserError, match=r"00001\.json is damaged"):
            read_markers(tmp_path)


@pytest.mark.parametrize("name", ["../../victim.txt", "x//tmp/victim.txt", "00000001.tar", "a/b/c"])
def test_a_marker_names_no_file_but_those_of_its_shard(tmp_path, name):
    """Even one whose digest is right: the names are joined to paths, which `retry` removes."""
    marker = commit(tmp_path)
    files = {**marker.sha256, name: "0"}
    write_marker(tmp_path, replace(marker, sha256=files, bytes=dict.fromkeys(files, 1)))
    with pytest.raises(UserError, match=r"00000\.json is damaged"):
        read_markers(tmp_path)


def test_a_marker_that_does_not_follow_the_one_before_it_is_refused(tmp_path):
    first, second = commit_all(tmp_path, 2)
    for stranger in (
        replace(second, previous="0"),
        replace(second, first=Cursor(0, 3)),
        replace(second, shard=0, sha256=first.sha256, bytes=first.bytes),
    ):
        write_marker(tmp_path, stranger)
        path = marker_file(tmp_path, stranger.shard)
        if path != marker_file(tmp_path, 1):
            path.rename(marker_file(tmp_path, 1))
            write_marker(tmp_path, first)
        with pytest.raises(UserError, match=r"00001\.json is damaged: it does not follow"):
            read_markers(tmp_path)
