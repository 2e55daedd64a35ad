"""What the driver makes and when it publishes: quotas, pieces, retry strategies."""

import contextlib

import pytest

from pipeline.config_tables import Faults
from pipeline.errors import RunStopped
from pipeline.output.run_file import read_run
from pipeline.planning.retry_strategy import EXPLORED_REQUESTS
from pipeline.scheduling.local_executor import LocalExecutor
from pipeline.storage.log import entries, reports
from tests.support.local_runs import published, run_locally, stop_at, write_rows

pytestmark = pytest.mark.usefixtures("quick_storage")


@pytest.fixture(scope="module")
def manifest(tmp_path_factory):
    return write_rows(tmp_path_factory.mktemp("driver") / "m.parquet", 40)


def test_no_worker_gets_a_batch_whose_cells_are_full(manifest, tmp_path):
    given = []
    executor = LocalExecutor(before_task=lambda task: given.append(task.batch.number))
    counts = run_locally(manifest, tmp_path / "out", executor, quota=4).counts
    assert counts["accepted"] == 4
    assert given == [*range(len(given))]
    assert len(given) < 10
    assert [report["batch"] for report in reports(tmp_path / "out")] == [*range(10)]


def test_batches_made_in_pieces_are_warned_of(manifest, tmp_path):
    warnings = []
    run_locally(manifest, tmp_path / "out", None, warnings.append, faults=Faults(memory=3))
    (warning,) = warnings
    assert "10 batch(es) were too large" in warning
    assert "in pieces of [2] requests" in warning


def test_the_log_has_the_start_and_a_line_for_each_batch(manifest, tmp_path):
    run_locally(manifest, tmp_path / "out", LocalExecutor(2, seed=0))
    events = [entry.get("event", "batch") for entry in entries(tmp_path / "out")]
    assert events.count("start") == 1
    assert events.count("placed") == events.count("ready") == 2
    assert events.count("batch") == 10


def test_no_more_workers_are_started_than_batches_are_missing(manifest, tmp_path):
    with contextlib.suppress(RunStopped):
        run_locally(manifest, tmp_path / "out", LocalExecutor(before_task=stop_at(8)))
    run_locally(manifest, tmp_path / "out", LocalExecutor(workers=9))
    placed = [entry for entry in entries(tmp_path / "out") if entry.get("event") == "placed"]
    assert len(placed) == 1 + 2


@pytest.mark.parametrize("stop", [None, 3, 15, 16, 20])
def test_retry_strategies_are_chosen_once_and_no_byte_depends_on_when(tmp_path, stop):
    manifest = write_rows(tmp_path / "m.parquet", EXPLORED_REQUESTS + 24)
    settings = {"candidates": 3, "min_confidence": 0.7, "retry_strategy": "auto"}
    run_locally(manifest, tmp_path / "expected", **settings)
    expected = read_run(tmp_path / "expected").retry_strategy
    assert expected["by_emotion"]["awe"] in ("reseed", "refine")
    with contextlib.suppress(RunStopped):
        executor = LocalExecutor(3, seed=1, before_task=stop_at(stop))
        run_locally(manifest, tmp_path / "out", executor, **settings)
    run_locally(manifest, tmp_path / "out", LocalExecutor(5, seed=2), **settings)
    assert read_run(tmp_path / "out").retry_strategy == expected
    assert published(tmp_path / "out") == published(tmp_path / "expected")
