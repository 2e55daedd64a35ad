"""Counts of a report against the metadata of a corpus."""

from collections import Counter

import numpy as np
import pytest

from pipeline.report.figures import COLUMNS, JUDGE_REASON, MAX_REASONS, Figures, kind_of
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
    assert figures.nfe == sum(row["total_nfe"] for row in rows)


def test_a_median_lies_in_the_bin_of_the_median(counted):
    figures, rows = counted
    accepted = [row["similarity"] for row in rows if row["status"] == "accepted"]
    assert figures.median("similarity") == pytest.approx(np.median(accepted), abs=0.05)
    assert figures.median("source_similarity") is None


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        ("judge confirms awe at 0.31 < min_confidence 0.5; it finds fear", JUDGE_REASON),
        ("image 'a.png' does not exist in /x", "image ... does not exist in /x"),
        ("similarity 0.12 < min_similarity 0.2", "similarity ... < min_similarity ..."),
    ],
)
def test_reasons_that_differ_by_names_and_numbers_are_one_kind(reason, kind):
    assert kind_of(reason) == kind


def test_more_kinds_of_reasons_than_are_named_are_counted_together(make_corpus):
    import pyarrow as pa

    table = next(finished_rows(make_corpus()).tables(COLUMNS))[1]
    row = table.slice(0, 1).to_pylist()[0]
    rows = [{**row, "status": "failed", "reason": f"kind {'x' * n}"} for n in range(50)]
    figures = Figures()
    figures.add(pa.Table.from_pylist(rows, table.schema))
    assert len(figures.reasons) == MAX_REASONS + 1
    assert figures.reasons.total() == 50
