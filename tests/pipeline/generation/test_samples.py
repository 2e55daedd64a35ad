"""Candidates: the later tries of a rejected request."""

from pipeline.planning.plan import derive_seed
from pipeline.scheduling.local_executor import LocalExecutor
from tests.support.corpora import ROWS, contents_of, rows_of


def test_a_rejected_request_is_tried_again_with_the_next_seeds_and_the_best_is_kept(make_corpus):
    """P(all rejected) is 0.7^1 with one candidate and 0.7^6 = 12 % with six; 30 requests."""
    one, six = (rows_of(make_corpus(f"{k}", min_confidence=0.7, candidates=k)) for k in (1, 6))
    for few, many in zip(one, six, strict=True):
        assert many["judge_confidence"] >= few["judge_confidence"]
        assert (few["attempts"], few["candidate"]) == (1, 0)
        if few["status"] == "accepted":
            assert (many["attempts"], many["candidate"], many["seed"]) == (1, 0, few["seed"])
        if many["status"] == "accepted":
            assert many["attempts"] == many["candidate"] + 1
        else:
            assert many["attempts"] == 6
        assert many["seed"] == derive_seed(0, many["key"], many["candidate"])
    accepted = [sum(row["status"] == "accepted" for row in rows) for rows in (one, six)]
    assert accepted[0] < 15 < 22 < accepted[1]


def test_the_best_of_those_that_were_all_rejected_is_the_one_that_the_judge_likes_most(make_corpus):
    """What six candidates leave rejected is the best of six runs of one candidate each."""
    six = rows_of(make_corpus("six", min_confidence=1.0, candidates=6))
    each = []
    for candidate in range(6):
        seeds = [derive_seed(0, row["key"], candidate) for row in six]
        rows = [{**row, "seed": seed} for row, seed in zip(ROWS, seeds, strict=True)]
        each.append(rows_of(make_corpus(f"{candidate}", rows, min_confidence=1.0)))
    for number, row in enumerate(six):
        confidences = [rows[number]["judge_confidence"] for rows in each]
        assert row["judge_confidence"] == max(confidences)
        assert row["candidate"] == confidences.index(max(confidences))


def test_candidates_change_no_byte_with_the_number_of_workers(make_corpus):
    settings = {
        "candidates": 4,
        "min_confidence": 0.7,
        "near_duplicates": 20,
        "keep_rejected": True,
    }
    one = make_corpus("one", **settings)
    three = make_corpus("three", executor=LocalExecutor(workers=3, seed=1), **settings)
    assert contents_of(one) == contents_of(three)
