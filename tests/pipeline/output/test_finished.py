"""What a resume finds on disk, and what it does not need."""

import contextlib

import pytest

from pipeline.errors import RunStopped
from pipeline.output import batches
from pipeline.output.finished import find_finished
from pipeline.output.markers import read_markers
from pipeline.scheduling.local_executor import LocalExecutor
from tests.support.local_runs import run_locally, stop_at, write_rows

pytestmark = pytest.mark.usefixtures("quick_storage")


@pytest.fixture
def stopped(tmp_path):
    """A run of 40 requests in batches of 4, stopped at the eighth, which has committed shards."""
    with contextlib.suppress(RunStopped):
        executor = LocalExecutor(before_task=stop_at(7))
        run_locally(write_rows(tmp_path / "m.parquet", 40), tmp_path / "out", executor)
    return tmp_path / "out"


def test_it_counts_each_request_once_wherever_it_lies(stopped):
    (*_, last) = read_markers(stopped)
    finished = find_finished(stopped, 40, 4)
    assert finished.counts.done == 28
    assert [*finished.files] == [*finished.summaries] == [*range(last.next.batch, 7)]
    assert finished.leftovers == []


def test_no_image_is_read(stopped, monkeypatch):
    monkeypatch.setattr(batches, "read_batch", None)
    columns = []
    read = batches.pq.ParquetFile.read
    monkeypatch.setattr(
        batches.pq.ParquetFile, "read", lambda self, columns_=None, **options: (
            columns.append(options["columns"]), read(self, **options))[1])  # fmt: skip
    find_finished(stopped, 40, 4)
    assert columns
    assert not any(batches.IMAGE in names for names in columns)


@pytest.mark.parametrize("damage", [b"", b"PAR1"])
def test_what_cannot_be_read_is_left_over(stopped, damage):
    number, file = list(find_finished(stopped, 40, 4).files.items())[-1]
    batches.batch_path(stopped, file).write_bytes(damage)
    finished = find_finished(stopped, 40, 4)
    assert number not in finished.files
    assert finished.leftovers == [batches.list_batches(stopped)[-1]]


def test_a_batch_with_other_requests_than_planned_is_left_over(stopped):
    """As the last batch of a pilot is: the plan that goes on has more requests in it."""
    assert 6 not in find_finished(stopped, 26, 4).files
    assert 6 in find_finished(stopped, 28, 4).files
