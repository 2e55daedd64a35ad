"""Verdicts by scores; near-duplicates and quotas, alone and in a run."""

import re
from collections import Counter
from dataclasses import replace

import pyarrow as pa
import pytest

from muse.emotions import MIKELS, Target
from pipeline.config import Config
from pipeline.errors import UserError
from pipeline.generation.results import blank_record
from pipeline.generation.verdicts import Verdict, decide
from pipeline.output.markers import marker_file, read_markers
from pipeline.output.records import record_schema
from pipeline.output.rows import layout_of
from pipeline.output.run.run_file import read_run, write_run
from pipeline.planning.plan import PlannedRequest
from pipeline.scheduling.executors.local_executor import LocalExecutor
from pipeline.storage.log import reports
from tests.support.corpora import contents_of, rows_of

LAYOUT = layout_of(record_schema(MIKELS.labels, ["safety"], pa.schema([])))


def _decide(emotion, probabilities, multi_label=False, settings=None, **scores):
    """The verdict on an image of which the judge has these probabilities."""
    planned = PlannedRequest("000000000", 0, None, "a dog", "", emotion, None, 0, 0, {})
    judge = {label: probabilities.get(label, 0.0) for label in MIKELS.labels}
    target = Target.of(emotion)
    record = replace(
        blank_record(planned, 0, MIKELS),
        judge=judge,
        judge_emotion=max(judge, key=judge.get),
        judge_confidence=target.confidence(list(judge.values()), multi_label),
        similarity=0.5,
    )
    row = LAYOUT.row(replace(record, **scores))
    return decide(row, LAYOUT, Config(**{"min_similarity": -1.0} | (settings or {})))


def test_the_threshold_is_inclusive():
    assert _decide({"awe": 1.0}, {"awe": 0.5, "fear": 0.5}) == Verdict("accepted")


def test_a_rejection_names_the_target_and_what_the_judge_finds_instead():
    assert _decide({"awe": 1.0}, {"awe": 0.2, "fear": 0.8}).reason == (
        "judge confirms awe at 0.20 < min_confidence 0.5; it finds fear strongest, at 0.80"
    )


def test_a_rejection_with_the_target_strongest_does_not_name_it_as_another_emotion():
    verdict = _decide({"fear": 1.0}, {"fear": 0.38, "awe": 0.3})
    assert verdict.reason == (
        "judge confirms fear at 0.38 < min_confidence 0.5, "
        "though it finds no other emotion stronger"
    )


def test_rounding_does_not_hide_that_a_score_is_too_low():
    reason = _decide({"fear": 1.0}, {"fear": 0.49999}).reason
    assert reason.startswith("judge confirms fear at 0.49999 < min_confidence 0.5")


def test_a_mixture_needs_both_its_members_and_is_named_as_a_mixture():
    mixture, settings = {"awe": 0.5, "fear": 0.5}, {"min_confidence": 0.6}
    verdict = _decide(mixture, {"awe": 0.95, "fear": 0.05}, settings=settings)
    assert verdict.reason == (
        "judge confirms awe 0.5 + fear 0.5 at 0.55 < min_confidence 0.6; "
        "it finds awe strongest, at 0.95"
    )
    assert _decide(mixture, {"awe": 0.6, "fear": 0.4}, settings=settings).status == "accepted"


def test_a_multi_label_judge_accepts_a_mixture_by_its_least_member():
    mixture = {"awe": 0.8, "fear": 0.2}
    assert _decide(mixture, {"awe": 0.95, "fear": 0.4}, True).status == "rejected"
    assert _decide(mixture, {"awe": 0.95, "fear": 0.6}, True).status == "accepted"


def test_filters_decide_after_the_judge_and_those_without_a_score_reject_nothing():
    sure, settings = {"awe": 1.0}, {"filters": {"safety": 0.5}, "min_source_similarity": 0.7}
    low = _decide({"awe": 1.0}, sure, settings=settings, scores={"safety": 0.2})
    assert low.reason == "safety 0.20 < filters.safety 0.5"
    source = _decide({"awe": 1.0}, sure, settings=settings, source_similarity=0.6)
    assert source.reason == (
        "unlike its source image: source_similarity 0.60 < min_source_similarity 0.7"
    )
    assert _decide({"awe": 1.0}, sure, settings=settings).status == "accepted"


def test_image_text_similarity_has_a_threshold_and_a_reason(make_corpus):
    """The null engine's similarity is uniform in [0, 1]."""
    for row in rows_of(make_corpus(min_similarity=0.6, min_confidence=0.2)):
        assert (row["status"] == "accepted") == (
            row["judge_confidence"] >= 0.2 and row["similarity"] >= 0.6
        )
        if row["judge_confidence"] >= 0.2 and row["status"] == "rejected":
            assert re.fullmatch(
                r"unlike its prompt: similarity 0\.\d+ < min_similarity 0\.6", row["reason"]
            )


def test_of_the_same_pictures_one_is_accepted_and_any_restart_refuses_the_same(make_corpus):
    """Some of the null engine's images, 64 cells of noise, are within 20 bits of each other."""
    out = make_corpus("once", near_duplicates=20, min_confidence=0.0)
    rows = rows_of(out)
    refused = [row for row in rows if row["status"] == "rejected"]
    assert 3 <= len(refused) <= 25
    accepted = {row["key"]: int(row["phash"], 16) for row in rows if row["status"] == "accepted"}
    for row in refused:
        original = row["reason"].removeprefix("near-duplicate of ").partition(":")[0]
        assert original < row["key"]
        assert (accepted[original] ^ int(row["phash"], 16)).bit_count() <= 20
    for a, code in accepted.items():
        assert all((code ^ other).bit_count() > 20 for b, other in accepted.items() if a < b)
    before = contents_of(out)
    # As if the driver had died after the first shard.
    for marker in read_markers(out)[1:]:
        marker_file(out, marker.shard).unlink()
    write_run(out, read_run(out).reopened())
    make_corpus("once", near_duplicates=20, min_confidence=0.0)
    assert contents_of(out) == before


@pytest.mark.parametrize("by", ["emotion", "scene"])
def test_a_quota_is_met_in_the_order_of_the_plan_and_what_is_full_is_not_made(make_corpus, by):
    """Against the plain rule: of a run without a quota, the first 4 accepted of each cell."""
    rows = [
        {"prompt": f"a dog {n}", "emotion": ["awe", "fear", "awe"][n % 3], "scene": f"{n % 2}"}
        for n in range(60)
    ]
    every = rows_of(make_corpus("all", rows))
    some = rows_of(make_corpus("some", rows, quota=4, quota_by=by))
    counts: Counter[str] = Counter()
    for free, limited in zip(every, some, strict=True):
        cell = free["emotion"] if by == "emotion" else free["scene"]
        if counts[cell] == 4:
            assert limited["status"] == "rejected"
            assert limited["reason"] == f"quota: {by} {cell} has its 4 accepted before"
            assert (limited["attempts"], limited["seed"], limited["judge_confidence"]) == (
                0,
                None,
                None,
            )
        else:
            assert (limited["status"], limited["phash"]) == (free["status"], free["phash"])
            counts[cell] += limited["status"] == "accepted"
    assert set(counts.values()) == {4}


def test_a_quota_changes_no_byte_with_the_number_of_workers_and_saves_work(make_corpus):
    """What was in work when a cell filled up is dropped as if it had never been made."""
    settings = {"count": 60, "quota": 7, "candidates": 2}
    one = make_corpus("one", **settings)
    three = make_corpus("three", executor=LocalExecutor(workers=3, seed=1), **settings)
    assert contents_of(one) == contents_of(three)
    statuses = Counter(row["status"] for row in rows_of(one))
    assert statuses == {"accepted": 7, "rejected": 53}
    # Batches whose cells are all full are never given to a worker: those took no time.
    made = [report for report in reports(one) if report["seconds"]]
    assert len(made) < 15


def test_a_cell_is_the_same_whichever_way_its_accents_are_encoded(make_corpus):
    rows = [{"prompt": f"a {n}", "emotion": "awe", "style": "caf\u00e9"} for n in range(4)]
    rows += [{"prompt": f"b {n}", "emotion": "awe", "style": "cafe\u0301"} for n in range(4)]
    out = make_corpus(rows=rows, quota=2, quota_by="style", min_confidence=0.0, batch_size=2)
    assert sum(row["status"] == "accepted" for row in rows_of(out)) == 2


def test_a_quota_by_a_column_that_is_not_there_is_refused(make_corpus):
    with pytest.raises(
        UserError,
        match="quota_by = 'mode': the manifest has no such column; choose emotion",
    ):
        make_corpus(quota=2, quota_by="mode")
