import pytest

from manifests.schema import Row
from pipeline.config import Config
from pipeline.planning.plan import (
    PlannedRequest,
    derive_seed,
    difference,
    fingerprint,
    is_harmless,
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
    assert all(len(key) == 9 and key.isdigit() for key in keys)


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


def test_limit_cuts_the_plan_and_changes_nothing_before_the_cut():
    assert _plan(_rows(3), limit=5) == _plan(_rows(3))[:5]


def test_fingerprints_differ_with_any_part_and_the_difference_is_told():
    old = {"config": {"seed": 0, "method": {"steps": 20}}, "manifest": "a"}
    new = {"config": {"seed": 1, "method": {"steps": 20}}, "manifest": "a"}
    assert fingerprint(old) != fingerprint(new)
    assert fingerprint(old) == fingerprint(dict(reversed(old.items())))
    assert difference(old, new) == ["config.seed: 0 -> 1"]


def _parts(**more):
    parts = {
        "config": {"guide": "/models/a", "seed": 0, "null": {"delay": 0.0}},
        "models": {"guide": {"name": "/models/a", "sha256": "1"}},
        "versions": {"python": "3.11.1", "torch": "2.6"},
    }
    return {key: {**value, **more.get(key, {})} for key, value in parts.items()}


@pytest.mark.parametrize(
    ("change", "harmless"),
    [
        ({"versions": {"python": "3.11.9"}}, True),
        ({"versions": {"torch": "2.7"}}, False),
        ({"config": {"null": {"delay": 1.0}}}, True),
        ({"config": {"seed": 1}}, False),
        (
            {
                "config": {"guide": "/moved/a"},
                "models": {"guide": {"name": "/moved/a", "sha256": "1"}},
            },
            True,
        ),
        (
            {
                "config": {"guide": "/models/b"},
                "models": {"guide": {"name": "/models/b", "sha256": "2"}},
            },
            False,
        ),
    ],
)
def test_only_what_cannot_change_a_byte_is_harmless(change, harmless):
    old, new = _parts(), _parts(**change)
    lines = difference(old, new)
    assert lines
    assert all(is_harmless(line, old, new) for line in lines) == harmless


def test_a_rows_own_seed_is_candidate_0_and_the_root_of_the_others():
    first = PlannedRequest("000000001", 0, None, "a", "", {"awe": 1.0}, None, 42, 0, {})
    second = next_candidate(first, 42, run_seed=0)
    third = next_candidate(second, 42, run_seed=0)
    assert (second.seed, second.candidate) == (derive_seed(42, "000000001", 1), 1)
    assert (third.seed, third.candidate) == (derive_seed(42, "000000001", 2), 2)
