"""The results of a batch come back from its file as they were, or not at all."""

import pyarrow as pa
import pytest

from muse.emotions import MIKELS
from pipeline.generation.results import Result, blank_row
from pipeline.output import batches
from pipeline.output.records import record_schema
from pipeline.output.rows import layout_of
from pipeline.planning.plan import PlannedRequest

SCHEMA = record_schema(MIKELS.labels, [], pa.schema([]))
LAYOUT = layout_of(SCHEMA)


def result(number: int, status: str, image: bytes | None) -> Result:
    key, emotion = f"{number:09d}", {"awe": 1.0}
    planned = PlannedRequest(key, number, None, "a dog", "", emotion, None, number, 0, {})
    return Result(blank_row(planned, 4, MIKELS, LAYOUT) | {"status": status}, image)


@pytest.fixture
def results() -> list[Result]:
    return [result(0, "accepted", b"image"), result(1, "failed", None)]


def planned_part(one: Result) -> list:
    return [one.record[name] for name in ("key", "batch", "status", "prompt", "target_awe", "seed")]


def test_results_come_back_as_they_were(tmp_path, results):
    batches.write_batch(tmp_path, 4, results, SCHEMA)
    again = batches.read_batch(tmp_path, 4)
    assert [planned_part(one) for one in again] == [planned_part(one) for one in results]
    assert [one.image for one in again] == [b"image", None]
    assert batches.finished_batches(tmp_path) == {4}
    assert batches.read_batch(tmp_path, 5) is None


@pytest.mark.parametrize("position", [0, -1, 100])
def test_a_changed_byte_makes_the_batch_unfinished(tmp_path, results, position):
    batches.write_batch(tmp_path, 4, results, SCHEMA)
    (path,) = batches.batch_files(tmp_path, 4)
    data = bytearray(path.read_bytes())
    data[position] ^= 1
    path.write_bytes(data)
    assert batches.read_batch(tmp_path, 4) is None


def test_the_same_results_have_the_same_file(tmp_path, results):
    for name in ("one", "other"):
        batches.write_batch(tmp_path / name, 4, results, SCHEMA)
    (one,), (other,) = (batches.batch_files(tmp_path / name, 4) for name in ("one", "other"))
    assert (one.name, one.read_bytes()) == (other.name, other.read_bytes())


def test_a_report_counts_statuses_and_accepted_emotions(results):
    report = batches.report(4, results)
    assert (report.statuses, report.accepted) == ({"accepted": 1, "failed": 1}, {"awe": 1})
