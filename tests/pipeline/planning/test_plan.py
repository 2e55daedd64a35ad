"""The plan: keys, seeds and batches depend on the manifest and the settings alone."""

from dataclasses import replace

import pytest

from manifests.schema import Row
from pipeline.config import Config
from pipeline.planning.plan import (
    GROUPED_BATCHES,
    PlannedRequest,
    derive_seed,
    next_candidate,
    plan_batches,
    plan_requests,
)


def _rows(count, **fields):
    known = {
        "image": None,
        "emotions": (),
        "id": None,
        "seed": None,
        "negative_prompt": "",
    } | fields
    return [Row(number=n, prompt=f"a dog {n}", **known) for n in range(count)]


def _plan(rows, **settings) -> list[PlannedRequest]:
    return list(plan_requests(rows, Config(**settings)))


def test_a_row_without_an_emotion_asks_for_every_emotion_of_the_run():
    planned = _plan(_rows(2), emotions=("awe", "fear"))
    assert [(p.row, dict(p.emotion)) for p in planned] == [
        (0, {"awe": 1.0}),
        (0, {"fear": 1.0}),
        (1, {"awe": 1.0}),
        (1, {"fear": 1.0}),
    ]


def test_keys_are_unique_padded_and_without_dots():
    keys = [p.key for p in _plan(_rows(3))]
    assert keys == sorted(keys)
    assert len(set(keys)) == 24
    assert all(len(key) == 12 and key.isdigit() for key in keys)


def test_seeds_depend_on_run_seed_key_and_candidate_alone():
    seeds = {
        derive_seed(run, f"{key:09d}", candidate)
        for run in (0, 1)
        for key in range(500)
        for candidate in (0, 1)
    }
    assert len(seeds) == 2000
    assert [p.seed for p in _plan(_rows(3), seed=7)][:8] == [
        p.seed for p in _plan(_rows(1), seed=7)
    ]


def test_a_rows_own_seed_serves_all_its_emotions():
    assert {p.seed for p in _plan(_rows(1, seed=42))} == {42}


@pytest.mark.parametrize("size", [1, 3, 8, 100])
def test_batches_hold_every_request_once_in_order(size):
    planned = _plan(_rows(3))
    batches = list(plan_batches(planned, size))
    assert [batch.number for batch in batches] == list(range(len(batches)))
    assert [request for batch in batches for request in batch.requests] == planned
    assert all(len(batch.requests) == size for batch in batches[:-1])


def test_requests_of_one_size_follow_each_other_among_some_batches():
    wide, tall, count = (80, 48), (48, 80), 5 * GROUPED_BATCHES
    rows = _rows(count)
    sized = [replace(row, size=(None, wide, tall)[row.number % 3]) for row in rows]
    planned = _plan(sized, emotions=("awe",))
    batches = list(plan_batches(planned, 4, grouped=True))
    assert [batch.number for batch in batches] == list(range(-(-count // 4)))
    # The first part of the plan by size, and then the second.
    place = {request.key: number for number, request in enumerate(planned)}
    made = [place[request.key] for batch in batches for request in batch.requests]
    half = 4 * GROUPED_BATCHES
    assert made[:half] == sorted(range(half), key=lambda number: number % 3)
    assert sorted(made[half:]) == list(range(half, count))
    assert sum(len({r.size for r in batch.requests}) > 1 for batch in batches) <= 2 * 2
    # Keys and seeds are those without sizes.
    plain = _plan(rows, emotions=("awe",))
    assert [(r.key, r.seed) for r in planned] == [(r.key, r.seed) for r in plain]


@pytest.mark.parametrize("size", [None, (80, 48)])
def test_requests_that_are_all_of_one_size_stay_in_their_order(size):
    planned = _plan([replace(row, size=size) for row in _rows(40)])
    assert list(plan_batches(planned, 3, grouped=True)) == list(plan_batches(planned, 3))


def test_limit_cuts_the_plan_and_changes_nothing_before_the_cut():
    assert _plan(_rows(3), limit=5) == _plan(_rows(3))[:5]


def test_a_rows_own_seed_is_candidate_0_and_the_root_of_the_others():
    first = PlannedRequest("000000001", 0, None, "a", "", {"awe": 1.0}, None, 42, 0, {})
    second = next_candidate(first, 42, run_seed=0)
    third = next_candidate(second, 42, run_seed=0)
    assert (second.seed, second.candidate) == (derive_seed(42, "000000001", 1), 1)
    assert (third.seed, third.candidate) == (derive_seed(42, "000000001", 2), 2)
