"""What is done next: packing, then what is tried again, then new batches."""

import pytest

from pipeline.output.batches import BatchFile
from pipeline.output.markers import Cursor
from pipeline.output.packing import PackTask
from pipeline.output.sequencer import ShardSpec
from pipeline.planning.plan import Batch, PlannedRequest
from pipeline.scheduling.bisection import Task
from pipeline.scheduling.task_queue import TaskQueue


def batch(number: int) -> Batch:
    keys = [f"{number}{n}" for n in range(2)]
    requests = [PlannedRequest(k, 0, None, "a", "", {"awe": 1.0}, None, 0, 0, {}) for k in keys]
    return Batch(number, tuple(requests))


def pack(shard: int) -> PackTask:
    return PackTask(ShardSpec(shard, Cursor(0, 0), Cursor(2, 0)), [BatchFile(0, "", 0)])


def all_tasks(queue: TaskQueue, batches, prefers_other_batches: bool = False) -> list:
    """The tasks until none is left."""
    found, rest = [], iter(batches)
    while (task := queue.next_task(rest, prefers_other_batches)) is not None:
        found.append(task)
    return found


def test_packs_come_before_repeated_tasks_and_these_before_new_batches():
    queue = TaskQueue()
    assert not queue
    queue.requeue(Task(batch(0)))
    queue.add_pack(pack(0))
    queue.add_pack(pack(1))
    assert queue
    expected = [pack(0), pack(1), Task(batch(0)), Task(batch(1))]
    assert all_tasks(queue, [batch(1)]) == expected
    assert not queue


def test_new_batches_come_first_while_those_that_are_repeated_kill():
    queue = TaskQueue()
    queue.requeue(Task(batch(0)))
    assert all_tasks(queue, [batch(1)], True) == [Task(batch(1)), Task(batch(0))]


def test_a_shard_that_is_filled_by_skipped_batches_is_packed():
    queue = TaskQueue()

    def skipping():
        queue.add_pack(pack(0))
        yield from ()

    assert queue.next_task(skipping(), False) == pack(0)


def test_a_repeated_task_comes_before_others_of_its_kind():
    queue = TaskQueue()
    for task in (Task(batch(1)), Task(batch(0)), pack(1), pack(0), None):
        queue.requeue(task)
    assert all_tasks(queue, []) == [pack(0), pack(1), Task(batch(0)), Task(batch(1))]


def test_a_batch_that_kills_is_probed_and_one_that_survives_is_finished():
    queue, task = TaskQueue(), Task(batch(0))
    for _ in range(3):
        queue.on_death(task)
        task = queue.next_task(iter([]), False)
    assert task.probe, "its requests are tried apart"
    queue.on_result(Task(batch(1)))
    assert not queue


@pytest.mark.parametrize("others", [0, 2])
def test_a_shard_whose_packing_kills_is_tried_three_times(others):
    queue = TaskQueue()
    for shard in range(others):
        assert queue.on_pack_death(pack(shard + 1))
    assert [queue.on_pack_death(pack(0)) for _ in range(3)] == [True, True, False]
