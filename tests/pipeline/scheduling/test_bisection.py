"""What becomes of batches that kill, against simulated workers: no process is started here."""

import itertools
import random
from collections.abc import Iterator

import pytest

from pipeline.planning.plan import Batch, PlannedRequest
from pipeline.scheduling.bisection import MAX_DEATHS, Attempts, Task


def _batch(size: int) -> Batch:
    made = (
        PlannedRequest(f"{n:09d}", n, None, "p", "", {"awe": 1.0}, None, n, 0, {})
        for n in range(size)
    )
    return Batch(7, tuple(made))


def _work_off(batch: Batch, kills) -> tuple[Task, int]:
    """The task that finished the batch, and the deaths until then.

    `kills(task)` says whether a worker dies of it.
    """
    attempts, task, deaths = Attempts(), Task(batch), 0
    for _ in range(10_000):
        if kills(task):
            deaths, following = deaths + 1, attempts.died(task)
        else:
            following = attempts.survived(task)
        if following is None:
            return task, deaths
        task = following
    raise AssertionError("the batch never ended")


def test_a_death_or_two_by_chance_change_nothing():
    fate = iter([True, True, False])
    task, deaths = _work_off(_batch(8), lambda _: next(fate))
    assert (task, deaths) == (Task(_batch(8)), 2)


@pytest.mark.parametrize("size", [2, 3, 4, 8])
def test_five_deaths_by_chance_leave_no_trace(size):
    """However they fall. Three on the batch and three on one request alone would condemn it, and
    three on the batch and three on it again, without any request found to kill, would have it made
    in pieces."""
    assert all(task == Task(_batch(size)) for task in _under_deaths(size, 5))
    assert not all(task == Task(_batch(size)) for task in _under_deaths(size, 6))


def _under_deaths(size: int, most: int) -> Iterator[Task]:
    """How a batch ends, for every way in which up to `most` tasks of its working off may take their
    workers along."""
    open_ways: list[tuple[int, ...]] = [()]
    while open_ways:
        fatal, calls = open_ways.pop(), itertools.count()
        task, _ = _work_off(_batch(size), lambda _, calls=calls, fatal=fatal: next(calls) in fatal)
        yield task
        if len(fatal) < most:
            open_ways += [(*fatal, n) for n in range(max(fatal, default=-1) + 1, next(calls))]


@pytest.mark.parametrize("seed", range(30))
def test_exactly_the_poison_is_found(seed):
    """Seeded: batches of 1 to 16, up to 3 that kill; the rest is made at once, as if they had
    never been."""
    rng = random.Random(seed)
    batch = _batch(rng.randint(1, 16))
    keys = [request.key for request in batch.requests]
    killers = set(rng.sample(keys, min(len(keys), rng.randint(1, 3))))
    task, _ = _work_off(batch, lambda task: killers & set(task.keys))
    assert task.poison == killers
    assert set(task.keys) == set(keys) - killers
    assert task.piece == 0


@pytest.mark.parametrize("position", range(8))
def test_one_killer_of_eight_costs_few_workers(position):
    """Three for the batch, one each for 8 > 4 > 2 > 1, three for the lone request: nine at most."""
    task, deaths = _work_off(_batch(8), lambda task: f"{position:09d}" in task.keys)
    assert task.poison == {f"{position:09d}"}
    assert deaths <= 2 * MAX_DEATHS + 3


@pytest.mark.parametrize("seed", range(30))
def test_deaths_by_chance_condemn_no_request(seed):
    """Seeded: every task dies with probability 0.25. A request is condemned only if it dies alone
    three times running, which 30 seeds of 8 requests see in 1 of 64 probes; the seeds here see
    none."""
    rng = random.Random(seed + 100)
    task, _ = _work_off(_batch(8), lambda _: rng.random() < 0.25)
    assert task == Task(_batch(8))


def test_too_large_together_is_made_in_pieces():
    """Only the size kills, as when the machine runs out of memory."""
    task, _ = _work_off(_batch(8), lambda task: (task.piece or len(task.keys)) > 2)
    assert (task.piece, task.poison) == (2, frozenset())


def test_what_kills_in_every_way_ends_as_failed():
    task, deaths = _work_off(_batch(6), lambda task: task.keys)
    assert task.poison == {f"{n:09d}" for n in range(6)}
    assert task.keys == ()
    assert deaths < 60
