"""The retry strategies are chosen once, as soon as the exploratory batches are finished."""

import json

import pytest

from pipeline.output import batches
from pipeline.output.run.run_file import read_run
from pipeline.scheduling.executors.executor import Outcome
from pipeline.scheduling.executors.local_executor import LocalExecutor, WorkerFault
from tests.support.corpora import rows_of
from tests.support.local_runs import run_locally, write_rows

AUTO = {"retry_strategy": "auto", "candidates": 4, "min_confidence": 0.7, "batch_size": 8}


@pytest.mark.parametrize(("count", "is_chosen"), [(64, False), (80, True)])
def test_a_choice_is_made_only_if_requests_are_left_for_it(tmp_path, count, is_chosen):
    run_locally(write_rows(tmp_path / "m.parquet", count), tmp_path / "out", **AUTO)
    assert (read_run(tmp_path / "out").retry_strategy is not None) == is_chosen


def test_later_batches_wait_for_the_exploratory_ones_and_use_what_was_chosen(tmp_path):
    begun = []
    executor = LocalExecutor(3, 5, lambda task: begun.append(task.batch.number))
    manifest = write_rows(tmp_path / "m.parquet", 96)
    run_locally(manifest, tmp_path / "out", executor, **AUTO)
    assert {*begun[:8]} == {*range(8)}
    chosen = read_run(tmp_path / "out").retry_strategy["by_emotion"]["awe"]
    strategies = set()
    for row in rows_of(tmp_path / "out"):
        if row["row"] >= 64:
            strategies |= {*json.loads(row["trace_strategies"])[1:2]}
    assert strategies == {chosen}


def test_a_run_that_stopped_just_before_the_choice_makes_it_when_resumed(tmp_path):
    def stop(task):
        if task.batch.number == 7:
            raise WorkerFault(Outcome.DISK_FULL)

    manifest = write_rows(tmp_path / "m.parquet", 80)
    with pytest.raises(Exception, match="injected"):
        run_locally(manifest, tmp_path / "out", LocalExecutor(before_task=stop), **AUTO)
    assert [file.number for file in batches.list_batches(tmp_path / "out")] == [*range(7)]
    assert read_run(tmp_path / "out").retry_strategy is None
    run_locally(manifest, tmp_path / "out", **AUTO)
    run_locally(manifest, tmp_path / "undisturbed", **AUTO)
    assert rows_of(tmp_path / "out") == rows_of(tmp_path / "undisturbed")
