"""The best rival within the cost of the method."""

import numpy as np

from jobs.evaluation.cases import draw_cases
from jobs.evaluation.measures.equal_cost import best_at_cost
from jobs.evaluation.measures.results import ArmResult

CASES = draw_cases(4, 3, editing=False)


def _result(right, cost):
    values = {"right": np.array(right, float), "cost": np.full(4, float(cost))}
    return ArmResult(CASES, values, np.zeros((4, 8)), None, None, [], 1.0)


def test_it_is_the_one_that_is_right_most_often_among_those_that_are_affordable():
    muse = _result([1, 1, 1, 0], 50)
    settings = {
        "muse": {"as given": muse},
        "oracle": {"only": _result([1, 1, 1, 1], 40)},
        "words": {"x1": _result([1, 0, 0, 0], 40), "x2": _result([1, 1, 0, 0], 40)},
        "direction": {"8": _result([0, 1, 1, 1], 60), "28": _result([1, 1, 1, 1], 61)},
    }
    found = best_at_cost(muse, settings)["generation"]
    assert (found["arm"], found["setting"]) == ("direction", "8")
    assert found["cost"]["mean"] == 60
    assert found["muse"]["mean"] == found["right"]["mean"] == 0.75
    # Two cases differ, one in favour of each.
    assert found["difference"]["mean"] == 0
    assert found["difference"]["low"] < 0 < found["difference"]["high"]


def test_who_is_told_the_light_is_a_rival():
    settings = {"words": {"x1": _result([1, 0, 0, 0], 40)}, "cues": {"light": _result([1] * 4, 40)}}
    found = best_at_cost(_result([1, 1, 1, 0], 50), settings)["generation"]
    assert found["arm"] == "cues"
    assert found["difference"]["mean"] == -0.25


def test_without_an_affordable_rival_there_is_no_entry():
    muse = _result([1, 1, 1, 0], 50)
    assert best_at_cost(muse, {"fk": {"16": _result([1, 1, 1, 1], 700)}}) == {}
