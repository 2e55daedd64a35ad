"""Which try comes next: the rungs, the choice of a ladder from what others cost, and that it changes no byte."""

import pytest

from muse.emotions import MIKELS
from muse.method import Method
from pipeline.config import LADDER, SEEDS
from pipeline.output.verify import verify
from pipeline.planning.plan import Batch, PlannedRequest, derive_seed
from pipeline.planning.retry_strategy import (
    AGAIN,
    DEEP,
    FIRST,
    LONGER,
    WIDE,
    choose,
    climbing,
    following,
    longer_method,
    rung,
)
from pipeline.storage.files import read_json
from tests.support import drive


def _planned(number=1, ladder=WIDE, emotion="awe"):
    key = f"{number:09d}"
    return PlannedRequest(
        key, 0, None, "a dog", "", {emotion: 1.0}, None, derive_seed(0, key, 0), 0, {}, ladder
    )


def test_rungs_of_both_ladders():
    assert [rung(WIDE, n) for n in range(4)] == [FIRST, AGAIN, AGAIN, AGAIN]
    assert [rung(DEEP, n) for n in range(5)] == [FIRST, LONGER, AGAIN, LONGER, AGAIN]


def test_a_longer_try_has_the_same_noise_and_every_other_one_its_own():
    tries = [_planned(ladder=DEEP)]
    for _ in range(4):
        tries.append(following(tries[-1], tries[0].seed, run_seed=0))
    seeds = [one.seed for one in tries]
    assert seeds[0] == seeds[1]
    assert seeds[2] == seeds[3] == derive_seed(0, tries[0].key, 2)
    assert len(set(seeds)) == 3
    assert [one.candidate for one in tries] == [0, 1, 2, 3, 4]


def test_a_longer_method_reads_more_within_its_limits():
    assert (
        longer_method(Method(iterations=5, until=0.7)).iterations,
        longer_method(Method(until=0.95)).until,
    ) == (
        10,
        1.0,
    )
    assert longer_method(Method(iterations=80)).iterations == 100
    assert longer_method(Method(enough=0.7)).enough == 0.85


def _record(emotion, kind, won, cost=100):
    return {
        "emotion": emotion,
        "status": "accepted" if won else "rejected",
        "tried": 2,
        "trace_rungs": [FIRST, kind],
        "trace_costs": [90, cost],
    }


def test_each_emotion_climbs_what_wins_more_for_its_cost():
    records = [_record("awe", LONGER, n < 6, cost=100) for n in range(8)]
    records += [_record("awe", AGAIN, n < 5, cost=100) for n in range(8)]
    records += [_record("fear", LONGER, n < 6, cost=200) for n in range(8)]
    records += [_record("fear", AGAIN, n < 5, cost=100) for n in range(8)]
    told = choose(records, MIKELS)
    assert (told["ladders"]["awe"], told["ladders"]["fear"]) == (DEEP, WIDE)
    assert told["tries"]["awe"][LONGER] == {"tries": 8, "won": 6, "cost": 800}
    assert told["tries"]["awe"][FIRST] == {"tries": 16, "won": 0, "cost": 16 * 90}
    # No request for joy's kin was refused: all emotions together decide. Longer: 12 of 2,400; again: 10 of 1,600.
    assert told["ladders"]["amusement"] == WIDE


def test_a_win_on_a_later_rung_is_none_of_the_second():
    late = {
        **_record("awe", LONGER, True),
        "tried": 3,
        "trace_rungs": [FIRST, LONGER, AGAIN],
        "trace_costs": [90, 90, 90],
    }
    assert choose([late], MIKELS)["tries"]["awe"][LONGER]["won"] == 0
    assert choose([{**late, "tried": 1}], MIKELS)["tries"]["awe"][FIRST]["won"] == 1


def test_nothing_tried_twice_leaves_seeds():
    once = {**_record("awe", LONGER, True), "tried": 1, "trace_rungs": [FIRST], "trace_costs": [90]}
    assert set(choose([once], MIKELS)["ladders"].values()) == {WIDE}


def test_the_first_requests_try_either_and_later_ones_what_was_chosen():
    first = Batch(0, tuple(_planned(n, emotion=MIKELS.labels[n % 8]) for n in range(40)))
    assert climbing(first, SEEDS, 40, {}, MIKELS, 0) is first
    explored = [request.ladder for request in climbing(first, LADDER, 40, {}, MIKELS, 0).requests]
    assert {DEEP, WIDE} == set(explored)
    ladders = dict.fromkeys(MIKELS.labels, WIDE) | {"fear": DEEP}
    later = climbing(Batch(2, first.requests), LADDER, 40, ladders, MIKELS, 0)
    assert {request.ladder for request in later.requests if "fear" in request.emotion} == {DEEP}
    assert {request.ladder for request in later.requests if "awe" in request.emotion} == {WIDE}


@pytest.fixture
def climbed(tmp_path):
    """The run command with a ladder on 100 requests, of which the first 64 explore; its arguments without output."""
    manifest = drive.write_manifest(tmp_path / "m.parquet", [f"a dog {n}" for n in range(100)])
    options = ["--candidates", 4, "--min-confidence", 0.7, "--effort", "ladder"]
    return lambda name, *more: (manifest, tmp_path / name, *options, *more)


def test_a_ladder_is_chosen_once_and_changes_no_byte_with_the_number_of_workers(climbed, tmp_path):
    for workers in (1, 3):
        done = drive.run(*climbed(f"{workers}", "--workers", workers))
        assert done.returncode == 0, done.stderr
    assert drive.published(tmp_path / "1") == drive.published(tmp_path / "3")
    assert verify(tmp_path / "3") == []
    told = [read_json(tmp_path / name / "run.json")["ladder"] for name in ("1", "3")]
    assert told[0] == told[1]
    awe = told[0]["tries"]["awe"]
    rows = drive.rows(tmp_path / "1")
    tried_again = [row for row in rows[:64] if row["tried"] > 1]
    assert (
        awe[LONGER]["tries"] + awe[AGAIN]["tries"] == len(tried_again) > 32
    )  # 70 % are refused at first
    second = LONGER if told[0]["ladders"]["awe"] == DEEP else AGAIN
    assert {row["trace_rungs"][1] for row in rows[64:] if row["tried"] > 1} == {second}
    for row in rows:
        assert row["rung"] in row["trace_rungs"]
        assert len(row["trace_rungs"]) == row["tried"]


def test_a_driver_killed_before_or_after_the_choice_resumes_to_the_same_bytes(climbed, tmp_path):
    slow = ["--set", "null.delay=0.02", "--workers", 2]
    assert drive.run(*climbed("undisturbed", *slow)).returncode == 0
    for name, finished in (("before", 5), ("after", 18)):
        with drive.started(*climbed(name, *slow)) as going:
            drive.wait_until(lambda name=name, n=finished: _finished(tmp_path / name) >= n, going)
        assert ("ladder" in read_json(tmp_path / name / "run.json")) == (name == "after")
        done = drive.run(*climbed(name, *slow))
        assert done.returncode == 0, done.stderr
        assert drive.published(tmp_path / name) == drive.published(tmp_path / "undisturbed")


def _finished(out):
    """Batches finished so far, also those that shards hold already."""
    log = out / "_state" / "log.jsonl"
    return log.read_text().count('"batch"') if log.exists() else 0
