"""Batch files: what is read back, what counts as damage, what is reported."""

import pytest

from pipeline.generation.verdicts import Cells
from pipeline.output.batches import (
    BatchFile,
    batch_path,
    batch_table,
    list_batches,
    read_batch,
    read_rows,
    report_of,
    write_batch,
)
from tests.pipeline.output.test_shards import SCHEMA, _results


def test_a_batch_is_read_as_it_was_written(tmp_path):
    (results,) = _results("arf", 3)
    file = write_batch(tmp_path, 12_345_678, results, SCHEMA)
    path = batch_path(tmp_path, file)
    folder = tmp_path / "_state" / "batches" / "0012345"
    assert path == folder / f"0012345678-{file.digest}.parquet"
    assert path.stat().st_size == file.size
    assert read_batch(tmp_path, file) == batch_table(results, SCHEMA)
    assert list_batches(tmp_path) == [file]


@pytest.mark.parametrize("step", [97])
def test_any_damage_is_found(tmp_path, step):
    (results,) = _results("aaa", 3)
    file = write_batch(tmp_path, 0, results, SCHEMA)
    path = batch_path(tmp_path, file)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    assert read_batch(tmp_path, file) is None
    assert read_rows(tmp_path, file, ["key"]) is None
    for place in range(0, len(data), step):
        flipped = bytearray(data)
        flipped[place] ^= 0x01
        path.write_bytes(flipped)
        assert read_batch(tmp_path, file) is None


def test_what_is_not_there_is_not_read(tmp_path):
    file = BatchFile(0, "0" * 16, 1)
    assert read_batch(tmp_path, file) is None
    assert read_rows(tmp_path, file, ["key"]) is None
    assert list_batches(tmp_path) == []


def test_foreign_files_are_passed_over(tmp_path):
    (results,) = _results("a", 1)
    file = write_batch(tmp_path, 0, results, SCHEMA)
    folder = batch_path(tmp_path, file).parent
    (folder / "notes.parquet").write_bytes(b"hello")
    (folder.parent / "notes.parquet").write_bytes(b"hello")
    assert list_batches(tmp_path) == [file]


def test_a_report_says_how_each_request_ended_and_the_log_keeps_the_counts(tmp_path):
    (results,) = _results("aarf", 4)
    file = write_batch(tmp_path, 0, results, SCHEMA)
    report = report_of(file, [result.record for result in results], Cells("rating", ("rating",)))
    assert report.statuses == {"accepted": 2, "rejected": 1, "failed": 1}
    assert report.accepted == {"awe": 2}
    assert [request.status[0] for request in report.requests] == [*"aarf"]
    assert [request.cell for request in report.requests] == [*"0123"]
    assert {"file", "requests"}.isdisjoint(report.as_log_entry())
