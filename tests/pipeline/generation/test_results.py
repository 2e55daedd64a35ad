"""What is stored of requests for which nothing was computed."""

from dataclasses import asdict

import pytest

from muse.emotions import MIKELS
from pipeline.config import Config, Faults
from pipeline.generation.null_engine import NullEngine
from pipeline.generation.results import blank_row, failed, quota_rejection
from pipeline.generation.samples import BatchMaker
from pipeline.planning.plan import Batch, PlannedRequest

SHARED = {"taxonomy": asdict(MIKELS)}


@pytest.fixture
def request_():
    return PlannedRequest(
        "000000007", 3, "mine", "a dog", "", {"awe": 1.0}, None, 5, 0, {"rating": 1}
    )


def test_a_rejection_by_quota_is_the_same_whether_the_request_was_computed_or_not(request_):
    maker = BatchMaker(NullEngine(Faults()), {}, Config(candidates=3), SHARED, "")
    (made,) = maker.make(Batch(0, (request_,)))
    assert made.record["phash"]
    rejected = quota_rejection(made.record, "full")
    assert rejected == quota_rejection(blank_row(request_, 0, SHARED), "full")
    assert rejected.record["seed"] is None
    assert rejected.record["judge_confidence"] is None
    assert (rejected.record["attempts"], rejected.record["trace_nfe"]) == (0, [])


def test_a_failure_keeps_what_was_planned_and_says_why(request_):
    result = failed(request_, 2, SHARED, "killed its worker")
    assert result.image is None
    planned = ("key", "id", "row", "batch", "status", "reason", "seed")
    assert [result.record[name] for name in planned] == [
        "000000007", "mine", 3, 2, "failed", "killed its worker", 5,
    ]  # fmt: skip
    assert result.record["manifest"] == {"rating": 1}


def test_a_url_is_stored_without_its_secrets(request_):
    url = "https://user:pass@host/x.png?token=secret"
    signed = PlannedRequest(**{**vars(request_), "image": url})
    row = blank_row(signed, 0, SHARED)
    assert row["task"] == "edit"
    assert "secret" not in row["image"]
    assert "pass" not in row["image"]
