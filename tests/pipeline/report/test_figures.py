"""Counts of a report against the metadata of a corpus."""

import re
from collections import Counter
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from pipeline.generation.verdicts import ACCEPTED, FAILED, REJECTED
from pipeline.report import charts
from pipeline.report.figures import COLUMNS, Figures
from pipeline.report.findings import findings
from pipeline.report.sections import MAX_BARS, confusion_figure, cosine, count_figure
from pipeline.view.rows import finished_rows
from tests.support.corpora import rows_of


@pytest.fixture
def counted(make_corpus):
    out = make_corpus(candidates=2)
    figures = Figures()
    for _, table in finished_rows(out).tables(COLUMNS):
        figures.add(table)
    return figures, rows_of(out)


def test_counts_are_those_of_the_metadata(counted):
    figures, rows = counted
    statuses = Counter(row["status"] for row in rows)
    assert figures.count() == len(rows)
    assert {status: figures.count(status) for status in statuses} == statuses
    judged = Counter((row["emotion"], row["judge_emotion"]) for row in rows)
    assert figures.judged == judged
    assert figures.attempts == Counter(row["attempts"] for row in rows)
    rejected = figures.endings.as_dict()["rejected"]["reasons"]
    assert sum(group["requests"] for group in rejected) == statuses["rejected"]
    assert figures.nfe == sum(row["total_nfe"] for row in rows)


def test_images_are_counted_by_what_became_of_their_tokens(make_corpus):
    ((_, table),) = finished_rows(make_corpus(shard_size=1000)).tables(COLUMNS)
    cases = [
        (0, 1, None),  # as they were fitted
        (5, 1, "awe"),  # updated
        (0, 1, "awe"),  # the guide was confident at once
        (0, None, None),  # guidance never began
        (None, None, None),  # failed, or made without a model
    ]
    columns = zip(*cases, strict=True)
    for name, values in zip(("updates", "start_step", "inherent"), columns, strict=True):
        column = pa.array(list(values) * (table.num_rows // len(cases)), table[name].type)
        table = table.set_column(table.schema.get_field_index(name), name, column)
    figures = Figures()
    figures.add(table)
    of_each = table.num_rows // len(cases)
    assert figures.tokens == {"as fitted": of_each, "updated": of_each, "unchanged": 2 * of_each}
    assert figures.updates == 5 * of_each


def test_requests_whose_prompts_the_model_knows_in_part_are_counted_and_told(make_corpus):
    out = make_corpus()
    rows, run = rows_of(out), finished_rows(out).run
    some = rows[0]["prompt"]
    figures = Figures(unknown_words=lambda prompt: ["word"] if prompt == some else [])
    for _, table in finished_rows(out).tables(COLUMNS):
        figures.add(table)
    count = sum(row["prompt"] == some for row in rows)
    assert 0 < figures.partly_known == count
    told = [finding.text for finding in findings(run, figures, 0, 0) if finding.warning]
    (text,) = [text for text in told if "does not know" in text]
    assert f"{count} request" in text
    assert f"of {len(rows)} " in text


def test_a_confusion_is_told_if_it_is_no_single_one(make_corpus):
    run = finished_rows(make_corpus()).run
    twice, once = {("awe", "fear"): 2}, {("awe", "fear"): 1}
    for wrong, ending in (
        ({}, None),
        (once | {("fear", "awe"): 1}, None),
        (twice | {("fear", "awe"): 1}, "images for awe, the judge found fear strongest in 2."),
        (twice | {("fear", "awe"): 2}, "in 2; 1 other confusion(s) are as frequent."),
    ):
        figures = Figures(judged=Counter({("awe", "awe"): 8} | wrong))
        texts = [finding.text for finding in findings(run, figures, 0, 0)]
        told = [text for text in texts if text.startswith("The most frequent confusion")]
        assert len(told) == (ending is not None)
        assert all(text.endswith(ending) for text in told)


def test_dots_where_guidance_began_have_the_colour_of_no_status():
    points = [{"sample": "0", "step": step, "similarity": 0.1 * step} for step in range(3)]
    svg = charts.curves(points, points[-1:])
    assert not [colour for colour in (REJECTED, FAILED) if charts.COLOURS[colour] in svg]


def test_a_median_lies_in_the_bin_of_the_median(counted):
    figures, rows = counted
    accepted = [row["similarity"] for row in rows if row["status"] == "accepted"]
    assert figures.median("similarity") == pytest.approx(np.median(accepted), abs=0.05)
    assert figures.lowest["similarity", "accepted"] == min(accepted)
    assert figures.scored("similarity") == len(accepted)
    assert figures.scored("source_similarity") == 0


def test_each_cell_of_a_square_has_its_own_rounding():
    figures = Figures(judged=Counter({("awe", "awe"): 5, ("awe", "fear"): 2}))
    svg = confusion_figure(figures, ["awe", "fear"]).svg
    assert ">71%<" in svg
    assert ">29%<" in svg


def test_a_score_near_nothing_has_no_sign():
    assert (cosine(-0.001), cosine(-0.25), cosine(0.531)) == ("0.00", "-0.25", "0.53")


def test_why_requests_were_rejected_is_said_first(make_corpus, monkeypatch):
    rows = finished_rows(make_corpus(candidates=2))
    figures = Figures()
    for _, table in rows.tables(COLUMNS):
        figures.add(table)
    texts = [finding.text for finding in findings(rows.run, figures, 0, 0)]
    rejected = figures.count("rejected")
    assert f"Of {rejected} requests rejected, " in texts[2]
    assert ": the judge does not confirm the target" in texts[2]
    of_trial = [finding.text for finding in findings(rows.run, figures, 0, 0, is_trial=True)]
    assert of_trial[0].startswith("These are too few images for statistics")
    assert of_trial[1:] == texts[:3]
    # What is not named is counted.
    monkeypatch.setattr("pipeline.report.findings.MAX_CAUSES", 0)
    few = [finding.text for finding in findings(rows.run, figures, 0, 0)]
    assert few[2] == f"Of {rejected} requests rejected, {rejected}: other reasons."


def test_few_numbers_have_a_bar_each_and_many_share_the_last_one():
    few = count_figure(Counter({0: 2, 3: 1, 90: 1}), "Starts", "step")
    assert few.lines == [("0", 2), ("3", 1), ("90", 1)]
    many = count_figure(Counter(dict.fromkeys(range(100), 1)), "Starts", "step")
    assert len(many.lines) == MAX_BARS
    assert many.lines[-1] == (f"{MAX_BARS - 1}+", 100 - MAX_BARS + 1)


def test_the_last_label_of_an_axis_stands_at_its_tick():
    rows = [{"target": "awe", "low": 0.0, "middle": 80.0, "high": 160.0}]
    svg = charts.ranges(rows, ["awe"], "M3")
    last = re.search(
        r'<text text-anchor="(\w+)" transform="translate\(([\d.]+),[\d.]+\)"[^>]*>160<', svg
    )
    assert last.groups() == ("middle", str(charts.WIDTH))


def test_large_counts_of_findings_have_separators(make_corpus):
    run = finished_rows(make_corpus()).run
    figures = Figures(outcomes=Counter({("awe", "accepted"): 70077, ("awe", "failed"): 29923}))
    texts = " ".join(finding.text for finding in findings(run, figures, 0, 0))
    assert "70,077 of 100,000 finished requests" in texts
    assert "29,923 requests failed" in texts


def test_counts_have_ticks_at_whole_numbers():
    svg = count_figure(Counter({1: 2, 2: 1}), "Attempts", "attempts").svg
    assert ">2<" in svg
    assert ">0.5<" not in svg
    assert ">1.0<" not in svg


@pytest.mark.parametrize("engine", ["muse", "null"])
def test_edits_by_the_embedded_model_are_said_to_be_redrawn(counted, make_corpus, engine):
    figures, _ = counted
    figures.fine["source_similarity", ACCEPTED] = figures.fine["similarity", ACCEPTED]
    figures.lowest["source_similarity", ACCEPTED] = figures.lowest["similarity", ACCEPTED]
    run = finished_rows(make_corpus(candidates=2)).run
    run = replace(run, config={**run.config, "engine": engine})
    texts = " ".join(finding.text for finding in findings(run, figures, 0, 0))
    assert ("redraws photographs" in texts) == (engine == "muse")
    assert "accepted edits resemble their source" in texts
