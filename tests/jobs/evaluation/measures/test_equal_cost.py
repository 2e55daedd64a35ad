"""The best rival within the cost of the method."""

import numpy as np

from jobs.evaluation.cases import draw_cases
from jobs.evaluation.measures.equal_cost import best_at_cost
from jobs.evaluation.measures.results import ArmResult

CASES = draw_cases(8, 3, editing=False)


def _result(right, cost):
    values = {"right": np.array(right, float), "cost": np.full(len(right), float(cost))}
    probs = np.zeros((len(right), 8))
    return ArmResult(CASES[: len(right)], values, probs, None, None, [], 1.0)


def _best(settings, chosen=None, reported=None):
    """Where `muse` makes three of four right at 50."""
    settings = {"muse": {"as given": _result([1, 1, 1, 0], 50)}, **settings}
    chosen = dict.fromkeys(settings, "another") | {"muse": "as given"} | (chosen or {})
    return best_at_cost(settings, chosen, reported or {}).get("generation")


def test_it_is_the_one_that_is_right_most_often_among_those_that_are_affordable():
    found = _best(
        {
            "oracle": {"only": _result([1, 1, 1, 1], 40)},
            "words": {"x1": _result([1, 0, 0, 0], 40), "x2": _result([1, 1, 0, 0], 40)},
            "direction": {"8": _result([0, 1, 1, 1], 60), "28": _result([1, 1, 1, 1], 61)},
        }
    )
    assert (found["arm"], found["setting"]) == ("direction", "8")
    assert found["cost"]["mean"] == 60
    assert found["muse"]["mean"] == found["right"]["mean"] == 0.75
    # Two cases differ, one in favour of each.
    assert found["difference"]["mean"] == 0
    assert found["difference"]["low"] < 0 < found["difference"]["high"]


def test_the_reported_setting_is_compared_on_all_cases():
    settings = {"words": {"x1": _result([1, 0, 0, 0], 40), "x2": _result([0, 0, 0, 0], 40)}}
    reported = {"words": _result([1, 1, 0, 0] * 2, 40), "muse": _result([1, 1, 1, 0] * 2, 50)}
    found = _best(settings, {"words": "x1"}, reported)
    assert (found["right"]["mean"], found["difference"]["mean"]) == (0.5, 0.25)
    assert found["difference"]["n"] == 8


def test_who_is_told_the_light_is_a_rival():
    found = _best({"words": {"x1": _result([1, 0, 0, 0], 40)}, "cues": {"l": _result([1] * 4, 40)}})
    assert found["arm"] == "cues"
    assert found["difference"]["mean"] == -0.25


def test_without_an_affordable_rival_there_is_no_entry():
    assert _best({"fk": {"16": _result([1, 1, 1, 1], 700)}}) is None
