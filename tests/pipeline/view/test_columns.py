"""Which rows match a query, against plain Python."""

import subprocess
import sys

import pytest

from pipeline.view.columns import Columns, Condition, Query, QueryError, as_shown
from pipeline.view.rows import finished_rows
from tests.support.corpora import rows_of

ROWS = [
    {"prompt": f"a {'Dog' if n % 2 else 'cat'} {n}", "emotion": "awe", "rating": n % 4 or None}
    for n in range(20)
]


@pytest.fixture
def corpus(make_corpus):
    out = make_corpus(rows=ROWS)
    return Columns(finished_rows(out)), rows_of(out)


@pytest.mark.parametrize(
    ("column", "operator", "value", "holds"),
    [
        ("status", "is", "accepted", lambda v: v == "accepted"),
        ("prompt", "contains", "dog", lambda v: "dog" in v.lower()),
        ("judge_confidence", "at least", "0.5", lambda v: v >= 0.5),
        ("judge_confidence", "at most", "0.5", lambda v: v <= 0.5),
        ("rating", "is", "3", lambda v: v == 3),
        ("rating", "is empty", "", lambda v: v is None),
        ("rating", "is not empty", "", lambda v: v is not None),
        ("prompt", "contains", "%", lambda v: "%" in v),
    ],
)
def test_a_condition_chooses_the_rows_for_which_it_holds(corpus, column, operator, value, holds):
    columns, rows = corpus
    found = columns.matching(Query((Condition(column, operator, value),)))
    assert found.tolist() == [n for n, row in enumerate(rows) if holds(row[column])]


def test_all_conditions_have_to_hold_and_rows_are_sorted(corpus):
    columns, rows = corpus
    asked = {
        "conditions": [
            {"column": "prompt", "operator": "contains", "value": "cat"},
            {"column": "rating", "operator": "is not empty"},
        ],
        "sort": "judge_confidence",
        "descending": True,
    }
    chosen = [n for n, row in enumerate(rows) if "cat" in row["prompt"] and row["rating"]]
    expected = sorted(chosen, key=lambda n: -rows[n]["judge_confidence"])
    assert columns.matching(Query.of(asked)).tolist() == expected


def test_empty_values_come_last_in_either_order(corpus):
    columns, rows = corpus
    empty = [n for n, row in enumerate(rows) if row["rating"] is None]
    for descending in (False, True):
        found = columns.matching(Query(sort="rating", descending=descending)).tolist()
        assert found[-len(empty) :] == empty


@pytest.mark.parametrize(
    "asked",
    [
        {"conditions": [{"column": "nothing", "operator": "is", "value": "x"}]},
        {"conditions": [{"column": "rating", "operator": "contains", "value": "x"}]},
        {"conditions": [{"column": "rating", "operator": "is", "value": "many"}]},
        {"conditions": [{"column": "rating"}]},
        {"conditions": "all"},
        {"sort": "nothing"},
        [],
    ],
)
def test_what_cannot_be_asked_is_refused(corpus, asked):
    with pytest.raises(QueryError):
        corpus[0].matching(Query.of(asked))


def test_the_first_rows_come_without_pandas(make_corpus):
    """Arrow imports it where it is installed, which takes a second."""
    code = (
        "import sys; from pathlib import Path; from pipeline.view.browser import Browser\n"
        "browser = Browser(Path(sys.argv[1]), Path(sys.argv[1]) / 'flags.parquet')\n"
        "assert browser.items(browser.query({})['id'], 0, 200)\n"
        "assert 'pandas' not in sys.modules"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, make_corpus()], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_whole_numbers_are_compared_and_shown_exactly(make_corpus):
    assert as_shown(2**63 - 2) == "9223372036854775806"
    assert (as_shown(7), as_shown(-(2**53)), as_shown(0.5)) == (7, "-9007199254740992", 0.5)
    assert as_shown([{"a": 2**60}, 1]) == [{"a": str(2**60)}, 1]
    columns = Columns(finished_rows(make_corpus()))
    seeds = columns.column("seed").to_pylist()
    found = columns.matching(Query((Condition("seed", "is", str(seeds[3])),)))
    assert seeds[3] > 2**53
    assert [seeds[position] for position in found] == [seeds[3]]
    beside = Query((Condition("seed", "is", str(seeds[3] + 1)),))
    assert not len(columns.matching(beside))
    # What the column's type cannot hold is compared as any number.
    assert len(columns.matching(Query((Condition("seed", "at most", str(2**70)),)))) == len(seeds)
