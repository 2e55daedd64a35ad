"""What a resume finds on disk, and what it does not need."""

import contextlib
import os

import pytest

from pipeline.errors import RunStopped
from pipeline.generation.results import Result
from pipeline.output import batches
from pipeline.output.finished import find_finished
from pipeline.output.markers import read_markers
from pipeline.scheduling.local_executor import LocalExecutor
from pipeline.storage.ranged import BLOCK
from pipeline.storage.remote import Remote
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
    finished = find_finished(stopped, read_markers(stopped), 40, 4)
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
    find_finished(stopped, read_markers(stopped), 40, 4)
    assert columns
    assert not any(batches.IMAGE in names for names in columns)


class CountingStore:
    """Counts what is asked of the objects of this process's memory."""

    def __init__(self, monkeypatch):
        import fsspec

        self.store = fsspec.filesystem("memory")
        self.store.store.clear()
        self.listings, self.bytes = 0, 0
        find, ls, cat = self.store.find, self.store.ls, self.store.cat_file

        def counted_cat(*arguments, **options):
            data = cat(*arguments, **options)
            self.bytes += len(data)
            return data

        def listed(call):
            def counted(*arguments, **options):
                self.listings += 1
                return call(*arguments, **options)

            return counted

        monkeypatch.setattr(self.store, "cat_file", counted_cat)
        monkeypatch.setattr(self.store, "find", listed(find))
        monkeypatch.setattr(self.store, "ls", listed(ls))


def test_batches_on_a_store_take_one_listing_and_no_image(tmp_path, monkeypatch):
    """Their images are of 2 MiB."""
    manifest, local = write_rows(tmp_path / "m.parquet", 12), tmp_path / "out"
    executor = LocalExecutor(before_task=stop_at(2))
    with contextlib.suppress(RunStopped):
        run_locally(manifest, local, executor, min_confidence=0.0, shard_size=20)
    store = CountingStore(monkeypatch)
    out = Remote("memory://finished/out")
    for file in batches.list_batches(local):
        table = batches.read_batch(local, file)
        records = table.drop_columns([batches.IMAGE])
        results = [Result(row, os.urandom(2 << 20)) for row in records.to_pylist()]
        batches.write_batch(out, file.number, results, records.schema)
    store.listings = store.bytes = 0
    finished = find_finished(out, [], 12, 4)
    assert [*finished.files] == [0, 1]
    assert finished.counts.done == 8
    # The memory's `find` lists each folder.
    assert store.listings <= 1 + 3
    assert store.bytes <= 2 * 2 * BLOCK


@pytest.mark.parametrize("damage", [b"", b"PAR1"])
def test_what_cannot_be_read_is_left_over(stopped, damage):
    number, file = list(find_finished(stopped, read_markers(stopped), 40, 4).files.items())[-1]
    batches.batch_path(stopped, file).write_bytes(damage)
    finished = find_finished(stopped, read_markers(stopped), 40, 4)
    assert number not in finished.files
    assert finished.leftovers == [batches.list_batches(stopped)[-1]]


def test_a_batch_with_other_requests_than_planned_is_left_over(stopped):
    """As the last batch of a pilot is: the plan that goes on has more requests in it."""
    assert 6 not in find_finished(stopped, read_markers(stopped), 26, 4).files
    assert 6 in find_finished(stopped, read_markers(stopped), 28, 4).files
