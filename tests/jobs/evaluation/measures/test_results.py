"""Results of an arm: figures by task, confusion, and comparison at equal success."""

import numpy as np
import pytest
import torch

from jobs.evaluation.cases import Case
from jobs.evaluation.measures.intervals import wilson
from jobs.evaluation.measures.results import (
    ArmResult,
    at_equal_success,
    by_task,
    confusion,
    pair_figures,
    split_figures,
)
from jobs.evaluation.report.tables import edits_table
from muse.emotions import MIKELS


def _cases(count, **changes):
    return [
        Case(
            **{"place": "beach", "subject": "dog", "emotion": "awe", "seed": 0, "oracle": ""}
            | changes
        )
    ] * count


def test_confusion_counts_target_by_strongest():
    cases = _cases(2, emotion="awe") + _cases(1, emotion="fear")
    probs = np.zeros((3, 8))
    probs[0, MIKELS.index("awe")] = probs[1, MIKELS.index("fear")] = probs[
        2, MIKELS.index("fear")
    ] = 1
    table = np.array(confusion(probs, cases))
    assert table.sum() == 3
    awe, fear = MIKELS.index("awe"), MIKELS.index("fear")
    assert (table[awe, awe], table[awe, fear], table[fear, fear]) == (1, 1, 1)


def test_a_pair_has_its_mass_and_its_rank():
    probs = np.array([[0.4, 0.3, 0.1, 0.05, 0.15, 0, 0, 0], [0.4, 0.3, 0.1, 0.05, 0.15, 0, 0, 0]])
    cases = [
        *_cases(1, emotion=MIKELS.labels[0], second=MIKELS.labels[4]),
        *_cases(1, emotion=MIKELS.labels[0], second=MIKELS.labels[2]),
    ]
    found = pair_figures(probs, cases)
    assert found["mass"] == pytest.approx([0.55, 0.5])
    assert found["top3"].tolist() == [1, 0]


def test_a_family_is_compared_at_equal_success():
    weak, worse = {"success_examiner": 0.2, "ssim": 0.8}, {"success_examiner": 0.2, "ssim": 0.5}
    curve = [weak, worse, {"success_examiner": 0.6, "ssim": 0.2}]
    assert at_equal_success(curve, 0.2) == weak
    assert at_equal_success(curve, 0.4) == {"success_examiner": 0.4, "ssim": 0.5}
    assert at_equal_success(curve, 0.6) == {"success_examiner": 0.6, "ssim": 0.2}


@pytest.mark.parametrize("success", [0.1, 0.9])
def test_a_success_that_no_setting_has_is_not_compared(success):
    curve = [{"success_examiner": 0.2, "ssim": 0.8}, {"success_examiner": 0.6, "ssim": 0.2}]
    assert at_equal_success(curve, success) is None
    table = list(edits_table({"arms": {}, "sdedit_at_equal_success": None}))
    assert "no strength with the success" in table[-1]
    assert len({line.count("|") for line in table}) == 1


def test_hard_edits_are_reported_apart():
    source = torch.zeros(3, 64, 64)
    cases = [
        *_cases(1, source=source),
        *_cases(1, place="cemetery", subject="skull", source=source),
    ]
    found = by_task(
        ArmResult(
            cases, {"content": np.array([1.0, 0.0])}, np.zeros((2, 8)), None, None, [], seconds=3.0
        )
    )
    assert set(found) == {"editing", "hard_edits"}
    assert found["hard_edits"]["content"] == wilson(0, 1)


def test_seconds_have_no_interval_and_none_for_a_subset():
    """Two images, one of them hard; only whole batches are timed."""
    cases = [*_cases(1), *_cases(1, place="cemetery", subject="skull")]
    assert [case.hard for case in cases] == [False, True]
    result = ArmResult(
        cases, {"content": np.array([1.0, 0.0])}, np.zeros((2, 8)), None, None, [], seconds=3.0
    )
    found = by_task(result)
    assert found["generation"]["seconds"] == {"mean": 1.5, "n": 2}
    assert "seconds" not in found["hard"]
    assert found["hard"]["content"]["mean"] == 0


def test_the_first_cases_have_no_figures_of_all_together():
    cases = [*_cases(1), *_cases(1, emotion="fear")]
    whole = {"mean": 1.0, "low": 0.9, "high": 1.1, "n": 2}
    values = {"content": np.array([1.0, 0.0])}
    result = ArmResult(cases, values, np.zeros((2, 8)), whole, whole, ["a", "b"], seconds=3.0)
    assert {"sem_d", "kid"} <= set(result.figures())
    first = result.first(1)
    assert first.figures()["content"]["mean"] == 1
    assert not {"sem_d", "kid"} & set(first.figures())
    assert (first.samples, first.seconds, first.cases) == (["a"], 1.5, cases[:1])


def test_a_metric_is_split_by_an_attribute_of_the_cases():
    cases = [*_cases(1), *_cases(2, emotion="fear")]
    values = {"right": np.array([1.0, 0.0, 1.0])}
    result = ArmResult(cases, values, np.zeros((3, 8)), None, None, [], seconds=3.0)
    found = split_figures(result, "polarity", "right")
    assert {name: figure["mean"] for name, figure in found.items()} == {
        "positive": 1.0,
        "negative": 0.5,
    }


def test_mixtures_are_a_task_of_their_own():
    values = {"content": np.array([1.0])}
    cases = _cases(1, second="fear")
    result = ArmResult(cases, values, np.zeros((1, 8)), None, None, [], seconds=3.0)
    assert set(by_task(result)) == {"mixtures"}
