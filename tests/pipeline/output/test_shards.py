"""Corpora packed within one process, and the commit protocol, on results made by hand."""

import io
import tarfile

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from muse.emotions import MIKELS
from pipeline.config import Config
from pipeline.generation.results import Result, blank_row
from pipeline.output.integrity import changed_files
from pipeline.output.markers import read_markers, shard_folder
from pipeline.output.records import record_schema
from pipeline.output.rows import layout_of
from pipeline.output.shards import Publisher
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
            f"{n:012d}", n, None, f"prompt {n}", "", {"awe": 1.0}, None, n, 0, {"rating": n}
        )
        reason = None if letter == "a" else "why"
        record = blank_row(planned, n // batch_size, MIKELS, LAYOUT) | {
            "status": names[letter],
            "reason": reason,
        }
        results.append(Result(record, _png(n) if letter == "a" else None))
    return [results[i : i + batch_size] for i in range(0, len(results), batch_size)]


def _publisher(out, size, **settings):
    return Publisher(out, Config(engine="null", shard_size=size, **settings), SCHEMA)


def _files(out) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(shard_folder(out).iterdir())}


STATUSES = "arraafarraaaraarrfaaarar"


@pytest.fixture
def undisturbed(tmp_path):
    out = tmp_path / "undisturbed"
    publisher = _publisher(out, 4)
    for results in _results(STATUSES, 3):
        publisher.take(results)
    publisher.finish()
    return out


def test_shards_hold_exactly_their_size_in_plan_order(undisturbed):
    markers = read_markers(undisturbed)
    assert [marker.accepted for marker in markers] == [4, 4, 4, 1]
    keys = []
    for marker in markers:
        with tarfile.open(shard_folder(undisturbed) / f"{marker.name}.tar") as archive:
            names = archive.getnames()
            assert all(info.mtime == 0 and info.uid == 0 for info in archive.getmembers())
        keys += [name.split(".")[0] for name in names if name.endswith(".png")]
        assert [name.split(".")[1] for name in names[:4]] == ["cls", "json", "png", "txt"]
    assert keys == [f"{n:012d}" for n, letter in enumerate(STATUSES) if letter == "a"]


def test_every_request_has_its_row_in_one_shard(undisturbed):
    paths = [shard_folder(undisturbed) / f"{m.name}.parquet" for m in read_markers(undisturbed)]
    rows = [row for path in paths for row in pq.read_table(path).to_pylist()]
    assert [row["key"] for row in rows] == [f"{n:012d}" for n in range(len(STATUSES))]
    assert [row["status"][0] for row in rows] == list(STATUSES)
    assert [row["rating"] for row in rows] == [*range(len(STATUSES))]


@pytest.mark.parametrize("stop", range(1, 9))
def test_a_publisher_that_is_replaced_goes_on_to_the_same_bytes(undisturbed, tmp_path, stop):
    """After so many batches. The new one is given all batches, from the first open one on."""
    out, batches = tmp_path / "out", _results(STATUSES, 3)
    first = _publisher(out, 4)
    for results in batches[:stop]:
        first.take(results)
    second = _publisher(out, 4)
    for results in batches[second.next.batch :]:
        second.take(results)
    second.finish()
    assert _files(out) == _files(undisturbed)


@pytest.mark.parametrize("lost", ["00000001.json", "00000001.parquet"])
def test_a_crash_within_a_commit_is_repaired_by_the_next_run(undisturbed, tmp_path, lost):
    """Power goes after the tar, or after the parquet: without its marker the shard is not there."""
    out, batches = tmp_path / "out", _results(STATUSES, 3)
    publisher = _publisher(out, 4)
    for results in batches:
        publisher.take(results)
    for name in ("00000001.json", "00000002.tar", "00000002.parquet", "00000002.json", lost):
        (shard_folder(out) / name).unlink(missing_ok=True)
    again = _publisher(out, 4)
    for results in batches[again.next.batch :]:
        again.take(results)
    again.finish()
    assert _files(out) == _files(undisturbed)


def test_a_shard_without_a_sample_has_no_tar(tmp_path):
    publisher = _publisher(tmp_path, 4)
    for results in _results("rrfr", 2):
        publisher.take(results)
    publisher.finish()
    (marker,) = read_markers(tmp_path)
    assert (marker.requests, marker.accepted, marker.rejected, marker.failed) == (4, 0, 3, 1)
    assert sorted(_files(tmp_path)) == ["00000000.json", "00000000.parquet"]


def test_where_few_are_accepted_a_shard_closes_after_so_many_requests(tmp_path):
    publisher = _publisher(tmp_path, 2)
    for results in _results("a" + "r" * 250, 3):
        publisher.take(results)
    publisher.finish()
    counts = [(marker.requests, marker.accepted) for marker in read_markers(tmp_path)]
    assert counts == [(100, 1), (100, 0), (51, 0)]


def test_an_edited_shard_is_reported_by_name(undisturbed):
    path = shard_folder(undisturbed) / "00000001.tar"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    (marker,) = [marker for marker in read_markers(undisturbed) if marker.shard == 1]
    assert list(changed_files(undisturbed, marker)) == [
        "shards/00000001.tar: its content is not what was committed (SHA-256 differs)"
    ]
