"""Retry strategies: which attempt comes next, how a strategy is chosen, and that no byte depends on
the workers."""

import json

import pyarrow.parquet as pq
import pytest

from muse.emotions import MIKELS
from muse.method import Method
from pipeline.config import AUTO
from pipeline.corpora.verify import verify
from pipeline.errors import RunStopped
from pipeline.output.run.run_file import read_run
from pipeline.planning.plan import Batch, PlannedRequest, derive_seed
from pipeline.planning.retry_strategy import (
    FIRST,
    REFINE,
    RESEED,
    assign_strategies,
    attempt_kind,
    choose_strategies,
    next_attempt,
    refined_method,
)
from pipeline.scheduling.executors.local_executor import LocalExecutor
from tests.support.local_runs import published, run_locally, stop_at, write_rows


def _planned(number=1, strategy=RESEED, emotion="awe"):
    key = f"{number:09d}"
    return PlannedRequest(
        key, 0, None, "a dog", "", {emotion: 1.0}, None, derive_seed(0, key, 0), 0, {}, strategy
    )


def test_the_attempts_of_both_strategies():
    assert [attempt_kind(RESEED, n) for n in range(4)] == [FIRST, RESEED, RESEED, RESEED]
    assert [attempt_kind(REFINE, n) for n in range(5)] == [FIRST, REFINE, RESEED, REFINE, RESEED]


def test_a_refinement_keeps_the_seed_and_every_other_attempt_has_its_own():
    attempts = [_planned(strategy=REFINE)]
    for _ in range(4):
        attempts.append(next_attempt(attempts[-1], attempts[0].seed, run_seed=0))
    seeds = [request.seed for request in attempts]
    assert seeds[0] == seeds[1]
    assert seeds[2] == seeds[3] == derive_seed(0, attempts[0].key, 2)
    assert len(set(seeds)) == 3
    assert [request.candidate for request in attempts] == [0, 1, 2, 3, 4]


def test_a_refined_method_updates_more_within_its_limits():
    assert refined_method(Method(max_updates_per_step=5)).max_updates_per_step == 10
    assert refined_method(Method(guidance_end=0.95)).guidance_end == 1.0
    assert refined_method(Method(max_updates_per_step=80)).max_updates_per_step == 100
    assert refined_method(Method(stop_confidence=0.7)).stop_confidence == 0.85


def _record(emotion, kind, won, cost=100):
    return {
        **{f"target_{label}": float(label == emotion) for label in MIKELS.labels},
        "status": "accepted" if won else "rejected",
        "attempts": 2,
        "trace_strategies": json.dumps([FIRST, kind]),
        "trace_nfe": json.dumps([90, cost]),
    }


def test_each_emotion_gets_the_strategy_that_is_accepted_more_often_for_its_cost():
    records = [_record("awe", REFINE, n < 6, cost=100) for n in range(8)]
    records += [_record("awe", RESEED, n < 5, cost=100) for n in range(8)]
    records += [_record("fear", REFINE, n < 6, cost=200) for n in range(8)]
    records += [_record("fear", RESEED, n < 5, cost=100) for n in range(8)]
    chosen = choose_strategies(records, MIKELS)
    assert chosen["by_emotion"]["awe"] == REFINE
    assert chosen["by_emotion"]["fear"] == RESEED
    assert chosen["attempts"]["awe"][REFINE] == {"attempts": 8, "accepted": 6, "nfe": 800}
    assert chosen["attempts"]["awe"][FIRST] == {"attempts": 16, "accepted": 0, "nfe": 16 * 90}
    # No request for amusement was rejected, so all emotions decide. refine: 12 for 2,400; reseed:
    # 10 for 1,600.
    assert chosen["by_emotion"]["amusement"] == RESEED


def test_an_acceptance_counts_for_the_attempt_that_was_accepted():
    late = {
        **_record("awe", REFINE, True),
        "attempts": 3,
        "trace_strategies": json.dumps([FIRST, REFINE, RESEED]),
        "trace_nfe": json.dumps([90, 90, 90]),
    }
    assert choose_strategies([late], MIKELS)["attempts"]["awe"][REFINE]["accepted"] == 0
    first = choose_strategies([{**late, "attempts": 1}], MIKELS)
    assert first["attempts"]["awe"][FIRST]["accepted"] == 1


def test_without_second_attempts_every_emotion_reseeds():
    once = {
        **_record("awe", REFINE, True),
        "attempts": 1,
        "trace_strategies": json.dumps([FIRST]),
        "trace_nfe": json.dumps([90]),
    }
    assert set(choose_strategies([once], MIKELS)["by_emotion"].values()) == {RESEED}


def test_the_first_requests_use_either_strategy_and_later_ones_the_chosen_one():
    first = Batch(0, tuple(_planned(n, emotion=MIKELS.labels[n % 8]) for n in range(40)))
    assert assign_strategies(first, RESEED, 40, {}, MIKELS, 0) is first
    explored = assign_strategies(first, AUTO, 40, {}, MIKELS, 0)
    assert {request.strategy for request in explored.requests} == {REFINE, RESEED}
    chosen = dict.fromkeys(MIKELS.labels, RESEED) | {"fear": REFINE}
    later = assign_strategies(Batch(2, first.requests), AUTO, 40, chosen, MIKELS, 0)
    for request in later.requests:
        (emotion,) = request.emotion
        assert request.strategy == chosen[emotion]


AUTO_SETTINGS = {"candidates": 4, "min_confidence": 0.7, "retry_strategy": AUTO}


@pytest.fixture(scope="module")
def manifest(tmp_path_factory):
    """100 requests, of which the first 64 are exploratory."""
    return write_rows(tmp_path_factory.mktemp("strategies") / "m.parquet", 100)


@pytest.fixture(scope="module")
def undisturbed(manifest, tmp_path_factory):
    """Its run by one worker."""
    output = tmp_path_factory.mktemp("undisturbed") / "out"
    run_locally(manifest, output, **AUTO_SETTINGS)
    return output


def test_a_strategy_is_chosen_once_and_no_byte_depends_on_the_workers(
    manifest, undisturbed, tmp_path
):
    run_locally(manifest, tmp_path / "3", LocalExecutor(3, seed=3), **AUTO_SETTINGS)
    assert published(undisturbed) == published(tmp_path / "3")
    assert verify(tmp_path / "3") == []
    chosen, same = (read_run(output).retry_strategy for output in (undisturbed, tmp_path / "3"))
    assert chosen == same
    awe = chosen["attempts"]["awe"]
    rows = pq.read_table(undisturbed / "metadata.parquet").to_pylist()
    # 70 % of the first attempts are rejected.
    tried_again = [row for row in rows[:64] if row["attempts"] > 1]
    assert awe[REFINE]["attempts"] + awe[RESEED]["attempts"] == len(tried_again) > 32
    second = chosen["by_emotion"]["awe"]
    for row in rows:
        strategies = json.loads(row["trace_strategies"])
        assert row["strategy"] in strategies
        assert len(strategies) == row["attempts"]
        if row["row"] >= 64 and row["attempts"] > 1:
            assert strategies[1] == second


@pytest.mark.parametrize("batch", [5, 18])
def test_a_run_that_stops_before_or_after_the_choice_resumes_to_the_same_bytes(
    manifest, undisturbed, tmp_path, batch
):
    stopping = LocalExecutor(before_task=stop_at(batch))
    with pytest.raises(RunStopped):
        run_locally(manifest, tmp_path / "stopped", stopping, **AUTO_SETTINGS)
    # The first 64 requests are 16 batches.
    assert (read_run(tmp_path / "stopped").retry_strategy is not None) == (batch > 16)
    run_locally(manifest, tmp_path / "stopped", **AUTO_SETTINGS)
    assert published(tmp_path / "stopped") == published(undisturbed)
