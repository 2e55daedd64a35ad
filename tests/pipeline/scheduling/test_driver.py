"""What the driver makes and when it publishes: quotas, pieces."""

import contextlib
import time

import pytest

from pipeline.config_tables import Faults
from pipeline.corpora.status import as_text, status
from pipeline.errors import RunStopped
from pipeline.scheduling.driver import Driver
from pipeline.scheduling.executors.local_executor import LocalExecutor
from pipeline.storage import lease
from pipeline.storage.files import write_json
from pipeline.storage.log import entries, reports
from tests.support.local_runs import run_locally, stop_at, write_rows


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
    faults = Faults(memory=3)
    run_locally(manifest, tmp_path / "out", None, warnings.append, faults=faults, limit=8)
    *_, warning = warnings
    assert "2 batch(es) were too large" in warning
    assert "in pieces of [2] requests" in warning


def test_the_log_has_the_start_and_a_line_for_each_batch(manifest, tmp_path):
    run_locally(manifest, tmp_path / "out", LocalExecutor(2, seed=0))
    events = [entry.get("event", "batch") for entry in entries(tmp_path / "out")]
    assert events.count("start") == 1
    assert events.count("placed") == events.count("ready") == 2
    assert events.count("batch") == 10


def test_the_log_tells_why_a_driver_has_ended(manifest, tmp_path):
    with contextlib.suppress(RunStopped):
        run_locally(manifest, tmp_path / "out", LocalExecutor(before_task=stop_at(8)))
    interrupted = status(tmp_path / "out")
    assert interrupted["stopped"]
    assert f"stopped   {interrupted['stopped']}" in as_text(interrupted)
    run_locally(manifest, tmp_path / "out")
    causes = [entry["cause"] for entry in entries(tmp_path / "out") if entry.get("event") == "stop"]
    assert causes == [interrupted["stopped"], "finished"]


def test_a_driver_that_lost_its_lease_writes_nothing_into_the_log(manifest, tmp_path, monkeypatch):
    """The log is that of the driver which has taken the output over."""
    monkeypatch.setattr(lease, "BEAT_SECONDS", 0.01)
    drivers, run = [], Driver.run
    monkeypatch.setattr(Driver, "run", lambda driver: (drivers.append(driver), run(driver)))
    out, logged = tmp_path / "out", []

    def take_over(task):
        if task.batch.number != 2:
            return
        # Its thread may renew the lease once more in between.
        while not drivers[0].lease.lost:
            write_json(lease.lease_file(out), {"token": "other", "count": 1})
            time.sleep(0.01)
        logged.extend(entries(out))

    with pytest.raises(RunStopped, match="another driver has taken this output over"):
        run_locally(manifest, out, LocalExecutor(before_task=take_over))
    assert [*entries(out)] == logged
    assert sum("event" not in entry for entry in logged) == 2


def test_no_more_workers_are_started_than_batches_are_missing(manifest, tmp_path):
    with contextlib.suppress(RunStopped):
        run_locally(manifest, tmp_path / "out", LocalExecutor(before_task=stop_at(8)))
    run_locally(manifest, tmp_path / "out", LocalExecutor(workers=9))
    placed = [entry for entry in entries(tmp_path / "out") if entry.get("event") == "placed"]
    assert len(placed) == 1 + 2
