"""What is stored of requests for which nothing was computed."""

from dataclasses import replace

import pyarrow as pa
import pytest

from muse.emotions import MIKELS
from pipeline.config import Config
from pipeline.config_tables import Faults
from pipeline.generation.engines.null_engine import NullEngine
from pipeline.generation.results import blank_row, failed, quota_rejection
from pipeline.generation.samples import BatchMaker
from pipeline.output.records import record_schema
from pipeline.output.rows import layout_of
from pipeline.planning.plan import Batch, PlannedRequest

LAYOUT = layout_of(record_schema(MIKELS.labels, ["safety"], pa.schema([("rating", pa.int64())])))


@pytest.fixture
def planned():
    return PlannedRequest(
        "000000007", 3, "mine", "a dog", "", {"awe": 1.0}, None, 5, 0, {"rating": 1}
    )


def test_a_rejection_by_quota_is_the_same_whether_the_request_was_computed_or_not(planned):
    filters = {"safety": lambda image, row: 0.5}
    maker = BatchMaker(NullEngine(Faults()), filters, Config(candidates=3), LAYOUT, "")
    (made,) = maker.make(Batch(0, (planned,)))
    assert made.record["phash"]
    assert made.record["score_safety"] == 0.5
    rejected = quota_rejection(made.record, LAYOUT, "full")
    assert rejected == quota_rejection(blank_row(planned, 0, MIKELS, LAYOUT), LAYOUT, "full")
    for column in ("seed", "judge_confidence", "judge_awe", "score_safety"):
        assert rejected.record[column] is None
    assert (rejected.record["attempts"], rejected.record["trace_nfe"]) == (0, "[]")
    assert (rejected.record["target_awe"], rejected.record["rating"]) == (1.0, 1)


def test_a_failure_keeps_what_was_planned_and_says_why(planned):
    result = failed(planned, 2, MIKELS, LAYOUT, "killed its worker")
    assert result.image is None
    columns = ("key", "id", "row", "batch", "status", "reason", "seed", "rating")
    assert [result.record[name] for name in columns] == [
        "000000007", "mine", 3, 2, "failed", "killed its worker", 5, 1,
    ]  # fmt: skip


def test_a_mixture_is_none_of_its_members(planned):
    mixed = replace(planned, emotion={"awe": 0.25, "fear": 0.75})
    row = blank_row(mixed, 0, MIKELS, LAYOUT)
    assert (row["emotion"], row["mixture"]) == (None, "fear 0.75 + awe 0.25")
    assert (row["target_awe"], row["target_fear"], row["target_anger"]) == (0.25, 0.75, 0.0)


def test_a_url_is_stored_without_its_secrets(planned):
    signed = replace(planned, image="https://user:pass@host/x.png?token=secret")
    row = blank_row(signed, 0, MIKELS, LAYOUT)
    assert row["task"] == "edit"
    assert "secret" not in row["source_image"]
    assert "pass" not in row["source_image"]
