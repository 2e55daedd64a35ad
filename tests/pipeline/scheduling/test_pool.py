"""The pool, one event at a time: the states of a worker, and what each event leads to."""

from collections.abc import Iterable

import pytest

from pipeline.config import Config
from pipeline.errors import RunStopped
from pipeline.generation.worker import Placement, Ready
from pipeline.output.batches import BatchFile, Report
from pipeline.output.markers import Cursor
from pipeline.output.packing import Packed, PackTask
from pipeline.output.sequencer import ShardSpec
from pipeline.planning.plan import Batch, PlannedRequest
from pipeline.scheduling.bisection import Task
from pipeline.scheduling.executors.executor import Event, Outcome
from pipeline.scheduling.pool import Pool
from pipeline.scheduling.worker_handle import WorkerState

SHARD = PackTask(ShardSpec(3, Cursor(0, 0), Cursor(2, 0)), [BatchFile(0, "", 0)])
PLACEMENT, READY = Placement("node", 1), Ready(1, 0.0, 0.0)


def batch(number: int, size: int = 2) -> Batch:
    keys = [f"{number:04d}{n:05d}" for n in range(size)]
    requests = [PlannedRequest(k, 0, None, "a", "", {"awe": 1.0}, None, 0, 0, {}) for k in keys]
    return Batch(number, tuple(requests))


class Recorder:
    """An executor that makes no call, and notes each of them."""

    def __init__(self):
        self.started, self.calls, self.alive, self.held = 0, [], True, 0

    def start_worker(self) -> int:
        self.started += 1
        return self.started - 1

    def load_models(self, worker):
        self.calls.append(("load_models", worker))

    def submit(self, worker, task):
        if isinstance(task, PackTask):
            self.calls.append(("pack", worker, task.spec.number))
            return
        self.calls.append(("submit", worker, task.batch.number, len(task.keys)))

    def locate_worker(self, worker):
        self.calls.append(("locate_worker", worker))

    def kill(self, worker):
        self.calls.append(("kill", worker))

    def release(self, worker):
        self.calls.append(("release", worker))

    def is_alive(self, placement):
        return self.alive

    def holding(self):
        return self.held

    def describe_resources(self):
        return "each worker asks for gpus 1, free are CPU 2"


class Bench:
    """A pool of the recorder's workers, with a clock of its own."""

    def __init__(self, workers: int = 1, batches: Iterable[Batch] = (), **settings):
        self.now, self.log, self.reports = 0.0, [], []
        self.executor, self.batches = Recorder(), iter(batches)
        config = Config(engine="null", **settings)
        self.pool = Pool(self.executor, config, workers, self.log.append, lambda: self.now)

    def event(self, worker: int, value=None, outcome=Outcome.RETURNED, cause="") -> None:
        """An event, and what the loop does after it."""
        self.pool.handle([Event(worker, outcome, value, cause)], self.reports.append)
        self.pool.assign_idle(self.batches)

    def start(self, worker: int = 0) -> None:
        self.event(worker, PLACEMENT)
        self.event(worker, READY)

    def die(self, worker: int, outcome=Outcome.DIED) -> None:
        self.event(worker, outcome=outcome, cause="the cause")

    def start_and_die(self, workers: Iterable[int], loads: bool = True) -> None:
        for worker in workers:
            self.event(worker, PLACEMENT)
            if loads:
                self.event(worker, READY)
            self.die(worker)

    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        self.pool.handle([], self.reports.append)
        self.pool.assign_idle(self.batches)

    def states(self) -> dict[int, WorkerState]:
        return {worker.number: worker.state for worker in self.pool.workers.values()}

    def last_call(self) -> tuple:
        return self.executor.calls[-1]


def test_a_worker_is_placed_loads_and_works():
    bench = Bench(batches=[batch(0)])
    assert bench.states() == {0: WorkerState.PLACING}
    bench.event(0, PLACEMENT)
    assert bench.states() == {0: WorkerState.LOADING}
    bench.event(0, READY)
    assert bench.states() == {0: WorkerState.BUSY}
    assert not bench.pool.is_finished()
    bench.event(0, Report(0, {"accepted": 2}))
    assert [report.batch for report in bench.reports] == [0]
    assert bench.executor.calls == [("load_models", 0), ("submit", 0, 0, 2)]
    assert bench.pool.is_finished()
    assert [entry["event"] for entry in bench.log] == ["placed", "ready"]


def test_workers_without_work_are_let_go_but_for_the_last_one_which_packs():
    bench = Bench(2, [batch(0)])
    bench.start(0)
    bench.start(1)
    assert bench.last_call() == ("release", 1)
    bench.event(0, Report(0, {"accepted": 2}))
    assert bench.states() == {0: WorkerState.IDLE}
    bench.pool.add_pack(SHARD)
    assert not bench.pool.is_finished()
    bench.pass_time(1)
    assert bench.last_call() == ("pack", 0, 3)
    bench.event(0, Packed(3))
    assert bench.reports[-1] == Packed(3)
    assert bench.pool.is_finished()


def test_shards_are_packed_before_further_batches_are_made():
    bench = Bench(batches=[batch(0), batch(1)])
    bench.start(0)
    bench.pool.add_pack(SHARD)
    bench.event(0, Report(0, {}))
    assert bench.last_call() == ("pack", 0, 3)
    bench.event(0, Packed(3))
    assert bench.last_call() == ("submit", 0, 1, 2)


def test_a_shard_whose_packing_kills_is_tried_again_but_not_for_ever():
    bench = Bench()
    bench.pool.add_pack(SHARD)
    for worker in range(2):
        bench.start(worker)
        bench.die(worker)
        assert bench.log[-1]["packed"] == 3
    assert bench.pool.rules.deaths == []
    bench.start(2)
    with pytest.raises(
        RunStopped, match="shard 3 could not be packed: its workers died; the cause"
    ):
        bench.die(2)


def test_what_packing_raises_stops_the_run():
    bench = Bench()
    bench.pool.add_pack(SHARD)
    bench.start(0)
    with pytest.raises(RunStopped, match="shard 3 could not be packed: no space"):
        bench.event(0, outcome=Outcome.RAISED, cause="no space")


def test_a_death_replaces_the_worker_and_its_task_comes_first():
    bench = Bench(2, [batch(0), batch(1), batch(2)])
    bench.start(0)
    bench.start(1)
    bench.die(0)
    assert bench.states() == {1: WorkerState.BUSY, 2: WorkerState.PLACING}
    assert bench.log[-1] == {
        "event": "ended",
        "pid": 1,
        "cause": "the cause",
        "held": 0,
        "requests": 2,
    }
    bench.start(2)
    assert bench.last_call() == ("submit", 2, 0, 2)


def test_after_three_deaths_another_batch_is_tried_before_the_one_that_kills():
    bench = Bench(batches=[batch(0, 4), batch(1)])
    for worker in range(4):
        bench.start(worker)
        if worker < 3:
            bench.die(worker)
    assert bench.last_call() == ("submit", 3, 1, 2)
    bench.event(3, Report(1, {}))
    assert bench.last_call() == ("submit", 3, 0, 2)  # a probe: half of the batch


@pytest.mark.parametrize("outcome", [Outcome.PREEMPTED, Outcome.DIED])
def test_a_task_is_not_charged_with_the_loss_of_its_node(outcome):
    bench = Bench(batches=[batch(0)])
    bench.executor.alive = outcome is Outcome.PREEMPTED
    for worker in range(30):
        bench.start(worker)
        bench.die(worker, outcome)
    assert bench.pool.rules.deaths == []
    assert list(bench.pool.queue.requeued) == [Task(batch(0))]


def test_workers_that_all_die_stop_the_run_with_the_cause():
    bench = Bench(batches=map(batch, range(100)))
    with pytest.raises(RunStopped, match=r"workers died one after another .*: the cause"):
        bench.start_and_die(range(100))


def test_an_unreachable_worker_that_lives_gets_its_task_again():
    bench = Bench(batches=[batch(0)])
    bench.start(0)
    bench.event(0, outcome=Outcome.UNREACHABLE)
    assert bench.states() == {0: WorkerState.PROBING}
    assert bench.last_call() == ("locate_worker", 0)
    bench.event(0, PLACEMENT)
    assert bench.states() == {0: WorkerState.BUSY}
    assert bench.last_call() == ("submit", 0, 0, 2)
    assert bench.pool.rules.deaths == []


def test_an_unreachable_worker_without_a_task_loads_its_models_again():
    bench = Bench()
    bench.event(0, PLACEMENT)
    bench.event(0, outcome=Outcome.UNREACHABLE)
    bench.event(0, PLACEMENT)
    assert bench.states() == {0: WorkerState.LOADING}
    assert bench.executor.calls == [("load_models", 0), ("locate_worker", 0), ("load_models", 0)]


def test_an_unreachable_worker_that_is_dead_is_charged_with_its_task():
    bench = Bench(batches=[batch(0)])
    bench.start(0)
    bench.event(0, outcome=Outcome.UNREACHABLE)
    bench.die(0)
    assert bench.pool.rules.deaths == [0]
    assert bench.states() == {1: WorkerState.PLACING}


def test_a_worker_that_takes_too_long_is_killed_and_replaced():
    bench = Bench(batches=[batch(0)], request_timeout_s=10)
    bench.start(0)
    bench.pass_time(20)
    assert bench.states() == {0: WorkerState.BUSY}
    bench.pass_time(0.1)
    assert bench.last_call() == ("kill", 0)
    assert bench.states() == {1: WorkerState.PLACING}
    assert "longer than 10 s a request (request_timeout_s)" in bench.log[-1]["cause"]


def test_loading_may_take_as_long_as_the_start_of_a_worker():
    bench = Bench(request_timeout_s=1, worker_start_timeout_s=100)
    bench.event(0, PLACEMENT)
    bench.pass_time(99)
    assert bench.states() == {0: WorkerState.LOADING}
    bench.pass_time(2)
    assert bench.states() == {1: WorkerState.PLACING}


def test_without_a_time_limit_nothing_is_taken_to_hang():
    bench = Bench(batches=[batch(0)], request_timeout_s=0)
    bench.start(0)
    bench.pass_time(1e9)
    assert bench.states() == {0: WorkerState.BUSY}


def test_a_worker_that_cannot_load_is_not_replaced_while_others_work():
    bench = Bench(2, [batch(0)])
    bench.start(0)
    bench.event(1, PLACEMENT)
    bench.event(1, outcome=Outcome.RAISED, cause="no such model")
    assert bench.executor.started == 2
    assert bench.log[-1] == {"event": "ended", "pid": 1, "cause": "no such model"}


def test_without_any_worker_that_can_load_the_run_stops_with_the_cause():
    bench = Bench()
    bench.event(0, PLACEMENT)
    with pytest.raises(RunStopped, match="no worker could be started: no such model") as stopped:
        bench.event(0, outcome=Outcome.RAISED, cause="no such model")
    assert not stopped.value.resumes, "loading would raise it again"


def test_workers_that_die_while_they_load_are_replaced_twice():
    bench = Bench()
    with pytest.raises(RunStopped, match="no worker could be started: the cause") as stopped:
        bench.start_and_die(range(10), loads=False)
    assert bench.executor.started == 3
    assert stopped.value.resumes


def test_what_a_task_raises_stops_the_run():
    bench = Bench(batches=[batch(7)])
    bench.start()
    with pytest.raises(RunStopped, match="batch 7 could not be stored: disk quota exceeded"):
        bench.event(0, outcome=Outcome.RAISED, cause="disk quota exceeded")


def test_a_full_disk_of_the_executor_stops_the_run():
    bench = Bench()
    with pytest.raises(RunStopped, match="no space"):
        bench.event(0, outcome=Outcome.DISK_FULL, cause="no space")


def test_without_resources_for_any_worker_the_run_stops_and_says_what_is_free():
    bench = Bench(2, worker_start_timeout_s=60)
    bench.pass_time(59)
    with pytest.raises(RunStopped, match=r"within 60 s .*asks for gpus 1, free are CPU 2") as stop:
        bench.pass_time(2)
    assert str(stop.value).endswith("--set worker_start_timeout_s=300 waits longer")


def test_workers_that_hold_what_they_asked_for_are_waited_for_longer_and_that_is_told():
    """On a busy machine their processes take minutes to start: more CPUs would not help."""
    bench = Bench(2, worker_start_timeout_s=60)
    bench.executor.held = 1
    bench.pass_time(6)
    bench.executor.held = 2
    bench.pass_time(120)
    bench.pass_time(120)
    assert bench.log == [{"event": "held", "workers": 1}, {"event": "held", "workers": 2}]
    with pytest.raises(
        RunStopped, match=r"2 worker\(s\) have their resources.* 300 s .*busy"
    ) as stop:
        bench.pass_time(60)
    assert "free" not in str(stop.value)
    assert str(stop.value).endswith("--set worker_start_timeout_s=300")


def test_one_placed_worker_is_enough_to_wait_for_the_others():
    bench = Bench(2, worker_start_timeout_s=60, request_timeout_s=0)
    bench.event(0, PLACEMENT)
    bench.pass_time(1e6)
    assert bench.states() == {0: WorkerState.LOADING, 1: WorkerState.PLACING}
