"""The comparison of arms: budgets of rejection, and differences by case."""

import numpy as np
import pytest

from jobs.evaluation.cases import draw_cases
from jobs.evaluation.comparison import (
    differences,
    draws_for,
    draws_of_rejection,
    report_of,
    sdedit_at_equal_success,
)
from jobs.evaluation.results import ArmResult
from pipeline.errors import UserError


@pytest.mark.parametrize(
    ("muse", "draws"), [(40.0, 1), (41.0, 2), (80.0, 2), (110.0, 3), (10.0, 1)]
)
def test_the_draws_cost_at_least_as_much_as_muse(muse, draws):
    assert draws_for({"cost": np.array([muse])}, {"cost": np.array([30.0, 50.0])}) == draws


def test_rejection_without_the_arms_that_it_needs_is_refused():
    with pytest.raises(UserError, match=r"for editing .* --arms muse,sdedit-0\.9"):
        draws_of_rejection({}, "editing")
    with pytest.raises(UserError, match="for generation it also needs --arms muse,prompted"):
        draws_of_rejection({}, "generation")


def _result(success):
    """Two cases of generation, one of them hard, with this success."""
    values = {"success_examiner": np.array(success)}
    return ArmResult(draw_cases(2, 3, editing=False), values, np.zeros((2, 8)), None, [], 1.0)


def test_differences_are_paired_by_case():
    found = differences(_result([1.0, 1.0]), _result([1.0, 0.0]))
    assert found["generation"]["success_examiner"]["mean"] == 0.5
    assert found["hard"]["success_examiner"]["n"] == 1


def test_muse_has_no_difference_to_itself():
    results = {
        "muse": {"generation": _result([1.0, 1.0])},
        "plain": {"generation": _result([0, 1])},
    }
    report = report_of(results)
    assert set(report["differences"]) == {"plain"}
    assert set(report["arms"]) == {"muse", "plain"}
    assert "sdedit_at_equal_success" not in report


def test_sdedit_is_not_compared_without_edits_by_muse():
    assert sdedit_at_equal_success({"sdedit-0.9": {"editing": {}}}) == {}
