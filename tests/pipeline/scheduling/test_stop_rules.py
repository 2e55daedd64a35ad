"""When a run gives up on its workers."""

import pytest

from pipeline.scheduling.stop_rules import StopRules


def after_deaths(*batches: int, workers: int = 1, ever_finished: bool = False) -> StopRules:
    rules = StopRules(workers, ever_finished=ever_finished)
    for batch in batches:
        rules.on_death(batch)
    return rules


@pytest.mark.parametrize(("deaths", "expected"), [(2, False), (3, True)])
def test_after_three_deaths_other_batches_are_tried_first(deaths, expected):
    assert after_deaths(*[0] * deaths).prefers_other_batches() is expected


@pytest.mark.parametrize(
    ("batches", "workers", "expected"),
    [
        ([0, 1, 2, 3] * 2, 1, False),
        ([0, 1, 2, 3] * 2 + [0], 1, True),
        ([0, 1, 2] * 5, 1, False),
        ([0, 1, 2, 3] * 7, 10, False),
        ([0, 1, 2, 3] * 7 + [0, 1], 10, True),
    ],
    ids=["eight deaths", "nine of four", "of three batches", "28 of ten workers", "30 of them"],
)
def test_deaths_in_a_row_of_several_batches_stop_the_run(batches, workers, expected):
    assert after_deaths(*batches, workers=workers, ever_finished=True).must_stop() is expected


@pytest.mark.parametrize(("deaths", "finished", "expected"), [(19, 0, 0), (20, 0, 1), (99, 1, 0)])
def test_one_batch_stops_the_run_only_if_nothing_was_ever_finished(deaths, finished, expected):
    rules = after_deaths(*[0] * deaths, ever_finished=bool(finished))
    assert rules.must_stop() is bool(expected)


def test_a_finished_task_ends_the_row_of_deaths():
    rules = after_deaths(*[0, 1, 2, 3] * 2)
    rules.on_finished()
    rules.on_death(0)
    assert not rules.must_stop()
    assert not rules.prefers_other_batches()


def test_after_three_failed_starts_in_a_row_no_other_is_made():
    rules = StopRules(2)
    rules.on_failed_start()
    rules.on_failed_start()
    assert rules.may_start_another()
    rules.on_started()
    rules.on_failed_start()
    rules.on_failed_start()
    assert rules.may_start_another()
    rules.on_failed_start()
    assert not rules.may_start_another()
