"""What a resume finds on disk, and what it does not need."""

import contextlib
import os
from collections import Counter

import pytest

from pipeline.config_tables import Faults
from pipeline.errors import RunStopped
from pipeline.generation.results import Result
from pipeline.output import batches
from pipeline.output.contents import contents_of
from pipeline.output.markers import read_markers
from pipeline.output.run.finished import find_finished
from pipeline.scheduling.executors.local_executor import LocalExecutor
from pipeline.storage.ranged import BLOCK
from pipeline.storage.remote import Remote
from tests.support.local_runs import run_locally, stop_at, write_rows


@pytest.fixture
def stopped(tmp_path):
    """A run of 40 requests in batches of 4, stopped at the eighth, which has committed shards."""
    with contextlib.suppress(RunStopped):
        executor = LocalExecutor(before_task=stop_at(7))
        run_locally(write_rows(tmp_path / "m.parquet", 40), tmp_path / "out", executor)
    return tmp_path / "out"


def test_it_counts_each_request_once_wherever_it_lies(stopped):
    (*_, last) = read_markers(stopped)
    finished = find_finished(stopped, contents_of(stopped), 40, 4)
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
    find_finished(stopped, contents_of(stopped), 40, 4)
    assert columns
    assert not any(batches.IMAGE in names for names in columns)


class CountingStore:
    """Counts the listings and the reads of objects in this process's memory."""

    def __init__(self, monkeypatch):
        import fsspec

        self.kind = fsspec.get_filesystem_class("memory")
        self.kind.store.clear()
        self.calls: Counter[str] = Counter()
        self.bytes = 0
        for name in ("find", "cat_file"):
            monkeypatch.setattr(self.kind, name, self._counted(name, getattr(self.kind, name)))

    def _counted(self, name, call):
        def counted(*arguments, **options):
            result = call(*arguments, **options)
            self.calls[name] += 1
            self.bytes += len(result) if name == "cat_file" else 0
            return result

        return counted


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
    store.calls.clear()
    store.bytes = 0
    finished = find_finished(out, contents_of(out), 12, 4)
    assert [*finished.files] == [0, 1]
    assert finished.counts.done == 8
    # Of each batch, the block with the records, and one or two with the footer.
    assert store.calls["find"] == 1
    assert store.calls["cat_file"] <= 2 * 3
    assert store.bytes <= 2 * 3 * BLOCK


@pytest.mark.parametrize("damage", [b"", b"PAR1"])
def test_what_cannot_be_read_is_left_over(stopped, damage):
    number, file = list(find_finished(stopped, contents_of(stopped), 40, 4).files.items())[-1]
    batches.batch_path(stopped, file).write_bytes(damage)
    finished = find_finished(stopped, contents_of(stopped), 40, 4)
    assert number not in finished.files
    assert finished.leftovers == [batches.list_batches(stopped)[-1]]


def test_a_batch_with_other_requests_than_planned_is_left_over(stopped):
    """As the last batch of a pilot is: the plan that goes on has more requests in it."""
    assert 6 not in find_finished(stopped, contents_of(stopped), 26, 4).files
    assert 6 in find_finished(stopped, contents_of(stopped), 28, 4).files


def test_a_batch_with_failed_requests_is_counted(tmp_path):
    manifest, out = write_rows(tmp_path / "m.parquet", 12), tmp_path / "out"
    executor = LocalExecutor(before_task=stop_at(1))
    with contextlib.suppress(RunStopped):
        run_locally(manifest, out, executor, faults=Faults(failures=1.0))
    finished = find_finished(out, contents_of(out), 12, 4)
    assert finished.counts.statuses == {"failed": 4}
