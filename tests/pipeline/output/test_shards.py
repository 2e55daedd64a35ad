"""Packing and the commit protocol, on results made by hand."""

import io
import random
import tarfile

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from muse.emotions import MIKELS
from pipeline.generation.results import Result, blank_row
from pipeline.output.batches import batch_files, folder, read_batch, write_batch
from pipeline.output.integrity import changed_files
from pipeline.output.markers import read_markers, shard_folder
from pipeline.output.records import record_schema
from pipeline.output.rows import layout_of
from pipeline.output.sample_files import SampleFormat
from pipeline.output.shards import Publisher, tar_bytes
from pipeline.planning.plan import PlannedRequest

SCHEMA = record_schema(MIKELS.labels, (), pa.schema([("rating", pa.int64())]))
LAYOUT = layout_of(SCHEMA)


def _png(shade: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (4, 4), (shade, 0, 0)).save(buffer, "PNG")
    return buffer.getvalue()


def _results(statuses: str, batch_size: int) -> list[list[Result]]:
    """`a` accepted, `r` rejected, `f` failed; a request each."""
    names = {"a": "accepted", "r": "rejected", "f": "failed"}
    results = []
    for n, letter in enumerate(statuses):
        planned = PlannedRequest(
            f"{n:09d}", n, None, f"prompt {n}", "", {"awe": 1.0}, None, n, 0, {"rating": n}
        )
        reason = None if letter == "a" else "why"
        record = blank_row(planned, n // batch_size, MIKELS, LAYOUT) | {
            "status": names[letter],
            "reason": reason,
        }
        results.append(Result(record, _png(n) if letter == "a" else None))
    return [results[i : i + batch_size] for i in range(0, len(results), batch_size)]


def _publisher(out, size):
    return Publisher(out, size, SampleFormat(LAYOUT, "png", MIKELS.labels))


def _files(out) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(shard_folder(out).iterdir())}


STATUSES = "arraafarraaaraarrfaaarar"


@pytest.fixture
def undisturbed(tmp_path):
    out = tmp_path / "undisturbed"
    for number, results in enumerate(_results(STATUSES, 3)):
        write_batch(out, number, results, SCHEMA)
    publisher = _publisher(out, 4)
    publisher.advance()
    publisher.finish()
    return out


def test_shards_hold_exactly_their_size_in_plan_order(undisturbed):
    known = read_markers(undisturbed)
    assert [marker.accepted for marker in known] == [4, 4, 4, 1]
    keys = []
    for marker in known:
        with tarfile.open(shard_folder(undisturbed) / f"{marker.shard:05d}.tar") as archive:
            names = archive.getnames()
            assert all(info.mtime == 0 and info.uid == 0 for info in archive.getmembers())
        keys += [name.split(".")[0] for name in names if name.endswith(".png")]
        assert [name.split(".")[1] for name in names[:4]] == ["cls", "json", "png", "txt"]
    assert keys == [f"{n:09d}" for n, letter in enumerate(STATUSES) if letter == "a"]


def test_every_request_has_its_row_in_one_shard(undisturbed):
    rows = [
        row
        for marker in read_markers(undisturbed)
        for row in pq.read_table(
            shard_folder(undisturbed) / f"{marker.shard:05d}.parquet"
        ).to_pylist()
    ]
    assert [row["key"] for row in rows] == [f"{n:09d}" for n in range(len(STATUSES))]
    assert [row["status"][0] for row in rows] == list(STATUSES)
    assert [row["rating"] for row in rows] == list(range(len(STATUSES)))


@pytest.mark.parametrize("seed", range(20))
def test_any_order_of_arrival_and_any_restart_give_the_same_bytes(undisturbed, tmp_path, seed):
    """Seeded: batches finish in a random order, the driver is replaced at random moments."""
    rng, out = random.Random(seed), tmp_path / "disturbed"
    pieces = list(enumerate(_results(STATUSES, 3)))
    rng.shuffle(pieces)
    publisher = _publisher(out, 4)
    for number, results in pieces:
        write_batch(out, number, results, SCHEMA)
        if rng.random() < 0.7:
            publisher.advance()
        if rng.random() < 0.4:
            publisher = _publisher(out, 4)
    publisher.advance()
    publisher.finish()
    assert _files(out) == _files(undisturbed)


@pytest.mark.parametrize("lost", ["00001.json", "00001.parquet"])
def test_a_crash_within_a_commit_is_repaired_by_the_next_run(undisturbed, tmp_path, lost):
    """Power goes after the tar, or after the parquet: without its marker the shard does not exist."""
    out = tmp_path / "crashed"
    for number, results in enumerate(_results(STATUSES, 3)):
        write_batch(out, number, results, SCHEMA)
    kept = {path.name: path.read_bytes() for path in folder(out).iterdir()}
    publisher = _publisher(out, 4)
    publisher.advance()
    for name in ("00001.json", "00002.tar", "00002.parquet", "00002.json", lost):
        (shard_folder(out) / name).unlink(missing_ok=True)
    for name, data in kept.items():
        (folder(out) / name).write_bytes(data)
    again = _publisher(out, 4)
    again.advance()
    again.finish()
    assert _files(out) == _files(undisturbed)


def test_nothing_accepted_makes_no_shard(tmp_path):
    for number, results in enumerate(_results("rrfr", 2)):
        write_batch(tmp_path, number, results, SCHEMA)
    publisher = _publisher(tmp_path, 4)
    publisher.advance()
    assert len(publisher.finish()) == 4
    assert not shard_folder(tmp_path).exists()


def test_a_damaged_batch_file_counts_as_not_done(tmp_path):
    (results,) = _results("aaa", 3)
    write_batch(tmp_path, 0, results, SCHEMA)
    back = read_batch(tmp_path, 0)
    assert back == results
    (file,) = batch_files(tmp_path, 0)
    data = bytearray(file.read_bytes())
    file.write_bytes(data[: len(data) // 2])
    assert read_batch(tmp_path, 0) is None
    for place in range(0, len(data), 97):
        flipped = bytearray(data)
        flipped[place] ^= 0x01
        file.write_bytes(flipped)
        assert read_batch(tmp_path, 0) is None


def test_an_edited_shard_is_told_by_name(undisturbed):
    path = shard_folder(undisturbed) / "00001.tar"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    (marker,) = [marker for marker in read_markers(undisturbed) if marker.shard == 1]
    assert list(changed_files(undisturbed, marker)) == [
        "shards/00001.tar: its content is not what was committed (SHA-256 differs)"
    ]


def test_tar_bytes_depend_on_names_and_contents_alone(monkeypatch):
    first = tar_bytes([("a.txt", b"1"), ("b.txt", b"2")])
    monkeypatch.setattr("time.time", lambda: 9e9)
    assert tar_bytes([("a.txt", b"1"), ("b.txt", b"2")]) == first
    assert tar_bytes([("b.txt", b"2"), ("a.txt", b"1")]) != first
