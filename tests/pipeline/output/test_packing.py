"""Packing: what a shard's tar is like, and what a damaged batch leads to."""

import io
import tarfile

import pytest
import webdataset

from muse.emotions import MIKELS
from pipeline.output.batches import batch_path, write_batch
from pipeline.output.markers import Cursor, shard_folder
from pipeline.output.packing import Packer, PackTask, add_member, open_tar
from pipeline.output.sample_files import SampleFormat
from pipeline.output.sequencer import Rejection, ShardSpec
from tests.pipeline.output.test_shards import LAYOUT, SCHEMA, _results

MEMBERS = {"cls": b"1", "json": b"{}", "png": bytes(range(256)) * 50, "txt": b"a dog"}


@pytest.fixture
def packer(tmp_path):
    return Packer(tmp_path, SampleFormat(LAYOUT, "png", MIKELS.labels), keep_rejected=False)


def pack_task(output, letters: str, spec: ShardSpec) -> PackTask:
    batches = enumerate(_results(letters, 4))
    return PackTask(spec, [write_batch(output, n, results, SCHEMA) for n, results in batches])


def test_tars_depend_on_names_and_contents_only(monkeypatch):
    def tar_of(names):
        buffer = io.BytesIO()
        with open_tar(buffer) as tar:
            for name in names:
                add_member(tar, name, name.encode())
        return buffer.getvalue()

    first = tar_of(["a.txt", "b.txt"])
    monkeypatch.setattr("time.time", lambda: 9e9)
    assert tar_of(["a.txt", "b.txt"]) == first
    assert tar_of(["b.txt", "a.txt"]) != first


def test_a_tar_is_the_one_that_webdataset_writes_with_the_same_owner_and_time():
    ours, theirs = io.BytesIO(), io.BytesIO()
    with open_tar(ours) as tar:
        for suffix, data in MEMBERS.items():
            add_member(tar, f"000000000000.{suffix}", data)
    options = {"encoder": False, "user": "", "group": "", "mode": 0o644, "mtime": 0}
    with webdataset.TarWriter(theirs, **options) as writer:
        writer.write({"__key__": "000000000000", **MEMBERS})
    assert ours.getvalue() == theirs.getvalue()


def test_a_shard_holds_a_part_of_its_first_and_last_batch(packer, tmp_path):
    spec = ShardSpec(0, Cursor(0, 2), Cursor(1, 1))
    marker = packer.pack(pack_task(tmp_path, "aaaraaaa", spec)).marker
    assert (marker.requests, marker.accepted, marker.rejected) == (3, 2, 1)
    with tarfile.open(shard_folder(tmp_path) / "00000000.tar") as archive:
        keys = {name.split(".")[0] for name in archive.getnames()}
    assert keys == {"000000000002", "000000000004"}


@pytest.mark.parametrize("is_quota", [False, True])
def test_what_is_rejected_in_its_turn_loses_its_image(packer, tmp_path, is_quota):
    rejections = {"000000000001": Rejection("why", is_quota)}
    spec = ShardSpec(0, Cursor(0, 0), Cursor(1, 0), rejections)
    marker = packer.pack(pack_task(tmp_path, "aaaa", spec)).marker
    assert (marker.accepted, marker.rejected) == (3, 1)
    assert not (tmp_path / "rejected").exists()


def test_a_damaged_batch_is_named_and_no_file_is_left(packer, tmp_path):
    task = pack_task(tmp_path, "aaaaaaaa", ShardSpec(0, Cursor(0, 0), Cursor(2, 0)))
    batch_path(tmp_path, task.files[1]).write_bytes(b"")
    packed = packer.pack(task)
    assert packed.marker is None
    assert packed.damaged == task.files[1]
    assert list(shard_folder(tmp_path).iterdir()) == []
