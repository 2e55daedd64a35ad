"""Workers within this process: the same bytes as any others, in any order, through deaths; and no
Ray."""

import subprocess
import sys

import pytest

from pipeline.errors import RunStopped
from pipeline.scheduling.executors.executor import Outcome
from pipeline.scheduling.executors.local_executor import LocalExecutor, WorkerFault
from pipeline.storage.log import entries
from tests.support import drive
from tests.support.local_runs import Killer, published, run_locally, write_rows


@pytest.fixture(scope="module")
def manifest(tmp_path_factory):
    return write_rows(tmp_path_factory.mktemp("local") / "manifest.parquet")


@pytest.fixture(scope="module")
def undisturbed(manifest, tmp_path_factory):
    output = tmp_path_factory.mktemp("undisturbed") / "out"
    run_locally(manifest, output)
    return output


@pytest.mark.parametrize(("workers", "seed"), [(2, 0), (4, 1), (4, 2), (9, 3)])
def test_the_order_of_completion_changes_no_byte(manifest, undisturbed, tmp_path, workers, seed):
    run_locally(manifest, tmp_path / "out", LocalExecutor(workers, seed))
    finished = [line["batch"] for line in entries(tmp_path / "out") if "batch" in line]
    assert finished != sorted(finished)
    assert published(tmp_path / "out") == published(undisturbed)


def test_a_worker_that_dies_is_replaced_and_leaves_no_trace(manifest, undisturbed, tmp_path):
    executor = LocalExecutor(2, seed=0, before_task=Killer(1, 1, 5))
    run_locally(manifest, tmp_path / "out", executor)
    held = [line["held"] for line in entries(tmp_path / "out") if line.get("event") == "ended"]
    assert sorted(held) == [1, 1, 5]
    assert published(tmp_path / "out") == published(undisturbed)


def test_a_call_that_raises_ends_the_run_with_its_cause(manifest, tmp_path):
    def full_disk(task):
        if task.batch.number == 3:
            raise OSError(28, "No space left on device")

    with pytest.raises(RunStopped, match=r"batch 3 could not be stored: .*No space left"):
        run_locally(manifest, tmp_path / "out", LocalExecutor(before_task=full_disk))


@pytest.mark.parametrize("outcome", [Outcome.UNREACHABLE, Outcome.PREEMPTED])
def test_a_fault_that_is_not_the_tasks_is_not_charged_to_it(
    manifest, undisturbed, tmp_path, outcome
):
    executor = LocalExecutor(2, before_task=Killer(*[2] * 12, fault=lambda: WorkerFault(outcome)))
    run_locally(manifest, tmp_path / "out", executor)
    assert published(tmp_path / "out") == published(undisturbed)


def test_the_command_runs_without_importing_ray(manifest, undisturbed, tmp_path):
    code = (
        "import sys; from pipeline.cli import app; app(standalone_mode=False); "
        "assert 'ray' not in sys.modules, 'ray was imported'"
    )
    arguments = ["run", manifest, "--output", tmp_path / "out", "--engine", "null"]
    arguments += ["--batch-size", 4, "--shard-size", 5, "--emotions", "awe", "--executor", "local"]
    command = [sys.executable, "-c", code, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    # The other process draws its contact sheet at full size.
    assert drive.published(tmp_path / "out") == drive.published(undisturbed)
