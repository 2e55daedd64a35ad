"""Budgets: with logs written by hand, and in a run."""

import pytest
from pydantic import ValidationError

from pipeline.config import Config
from pipeline.corpora.status import status
from pipeline.corpora.verify import verify
from pipeline.errors import RunStopped
from pipeline.generation.worker import BatchWorker
from pipeline.watch.budget import Budget
from pipeline.watch.summary import RunWatch
from tests.support.local_runs import run_locally, write_rows

ENTRIES = [
    {"at": 0.0, "event": "start", "connected": 0.0, "workers": 3},
    {"at": 1.0, "event": "ready", "pid": 1, "device": "H200"},
]


def _spent(seconds, **settings):
    config = Config(gpu_hour_price=2.0, **settings)
    return Budget(config, RunWatch(10, 1.0, entries=ENTRIES), clock=lambda: seconds).spent()


def test_a_limit_is_reached_by_the_hours_of_all_workers():
    assert _spent(3599.0, max_gpu_hours=3.0) is None
    assert "3.00 GPU-hours of max_gpu_hours = 3" in _spent(3600.0, max_gpu_hours=3.0)
    assert _spent(3599.0, max_cost=6.0) is None
    assert "6.00 of max_cost = 6" in _spent(3600.0, max_cost=6.0)
    assert _spent(1e9) is None


def test_a_limit_without_a_gpu_is_warned_of_once(capsys):
    budget = Budget(Config(max_gpu_hours=1.0), RunWatch(10))
    for entry in (ENTRIES[1], *[{"event": "ready", "device": "cpu"}] * 2):
        budget.note(entry)
    (line,) = capsys.readouterr().err.splitlines()
    assert line == "warning: max_gpu_hours: a worker has no GPU; its hours count nothing"
    Budget(Config(), RunWatch(10)).note({"event": "ready", "device": "cpu"})
    assert capsys.readouterr().err == ""


def test_a_cost_without_a_price_is_refused():
    with pytest.raises(ValidationError, match="max_cost needs gpu_hour_price"):
        Config(max_cost=5.0)


def test_a_run_ends_in_order_and_goes_on_with_a_higher_budget(tmp_path, monkeypatch):
    """Each batch of the null engine takes half an hour of the clock, on a GPU."""
    clock = [0.0]
    monkeypatch.setattr("time.time", lambda: clock[0])
    monkeypatch.setattr(Budget.__init__, "__defaults__", (lambda: clock[0],))
    run = BatchWorker.run

    def hour(self, task):
        clock[0] += 1800.0
        return run(self, task)

    monkeypatch.setattr(BatchWorker, "run", hour)
    monkeypatch.setattr("pipeline.generation.worker._device", lambda _: "H200")
    manifest, out = write_rows(tmp_path / "m.parquet", 64), tmp_path / "out"
    settings = {"batch_size": 8, "shard_size": 100}
    with pytest.raises(RunStopped, match=r"the budget is spent: 2\.00 GPU-hours"):
        run_locally(manifest, out, max_gpu_hours=2.0, **settings)
    made = len(list((out / "_state" / "batches").rglob("*.parquet")))
    assert made == 4
    assert status(out)["stopped"].startswith("the budget is spent: 2.00 GPU-hours")
    outcome = run_locally(manifest, out, max_gpu_hours=100.0, **settings)
    assert outcome.counts["requests"] == 64
    assert verify(out) == []
    plain = tmp_path / "plain"
    run_locally(manifest, plain, **settings)
    tars = [(folder / "shards" / "00000000.tar").read_bytes() for folder in (out, plain)]
    assert tars[0] == tars[1]
