"""What options select from a suite."""

from dataclasses import replace

import pytest

from jobs.evaluation import suites
from jobs.evaluation.cases import REPORTED_CONTENTS, TUNING_CONTENTS
from jobs.evaluation.suites import SUITES, TASKS, Selection
from jobs.evaluation.sweeps import COUNT
from pipeline.errors import UserError


def _selection(suite="full", tasks=TASKS, arms=None, sweeps=(), count=None):
    return Selection(SUITES[suite], tasks, arms, sweeps, None, count, 3001)


def _contents(cases):
    return {(case.place, case.subject) for of_task in cases.values() for case in of_task}


def test_settings_are_chosen_on_other_contents_than_are_reported():
    selection = _selection(count=40)
    cases, tuning = selection.cases(), selection.tuning()
    assert {*cases} == {*tuning} == {*TASKS}
    assert _contents(cases) <= REPORTED_CONTENTS
    assert _contents(tuning) <= TUNING_CONTENTS


@pytest.mark.parametrize("count", [9, None])
def test_no_more_cases_are_tuned_than_the_suite_has(count):
    tuning = _selection(count=count).tuning()
    for task, most in SUITES["full"].tuning.items():
        assert len(tuning[task]) == (count or most)


def test_the_quick_suite_tunes_nothing():
    assert _selection("quick").tuning() is None


def test_a_sweep_makes_no_mixtures_and_as_many_cases_as_sweeps_do():
    cases = _selection(sweeps=["how"]).cases()
    assert {task: len(of_task) for task, of_task in cases.items()} == {
        "generation": COUNT,
        "editing": COUNT,
    }


def test_of_a_manifest_so_many_rows_a_task_are_made(monkeypatch):
    of_tasks = {"generation": ["a", "b"], "editing": []}
    monkeypatch.setattr(suites, "manifest_cases", lambda _: of_tasks)
    two = replace(_selection(), manifest="m.parquet")
    assert two.cases() == {"generation": ["a", "b"]}
    assert replace(two, count=1).cases() == {"generation": ["a"]}
    edits = replace(two, tasks=["editing"])
    with pytest.raises(UserError, match="has no row of --tasks editing"):
        edits.refuse_nothing(edits.cases())


def test_arms_are_those_that_make_the_task_in_the_order_of_the_suite():
    selection = _selection(arms=["sdedit", "plain", "muse"])
    assert selection.arms_of("editing") == ["plain", "muse", "sdedit"]
    assert selection.arms_of("mixtures") == ["muse"]


def test_mixtures_are_compared_only_where_nothing_else_is_named():
    assert _selection().mixtures == SUITES["full"].mixtures < SUITES["full"].counts["mixtures"]
    assert _selection(count=9).mixtures == 9
    assert _selection(arms=["muse"]).mixtures == 0
    assert _selection(tasks=["editing"]).mixtures == 0
