"""The comparison of arms: differences by case, and what is reported of their settings."""

import numpy as np

from jobs.evaluation.cases import draw_cases
from jobs.evaluation.comparison import (
    differences,
    report_of,
    sdedit_at_equal_success,
)
from jobs.evaluation.measures.results import ArmResult
from jobs.evaluation.report.tables import EDITS

CASES = draw_cases(2, 3, editing=False)
"""One of them is hard."""


def _result(right):
    """Two cases of generation with this success."""
    values = {name: np.array(right, float) for name in ("right", "success_examiner")}
    values["cost"] = np.array([40.0, 40.0])
    return ArmResult(CASES, values, np.zeros((2, 8)), None, None, [], 1.0)


def test_differences_are_paired_by_case():
    found = differences(_result([1.0, 1.0]), _result([1.0, 0.0]))
    assert found["generation"]["success_examiner"]["mean"] == 0.5
    assert found["hard"]["success_examiner"]["n"] == 1


def test_muse_has_no_difference_to_itself():
    results = {
        "muse": {"generation": _result([1.0, 1.0])},
        "plain": {"generation": _result([0, 1])},
    }
    report = report_of(results, {}, {})
    assert set(report["differences"]) == {"plain"}
    assert set(report["arms"]) == {"muse", "plain"}
    assert report["settings"] == report["equal_cost"] == {}
    assert "sdedit_at_equal_success" not in report


def test_figures_are_split_by_emotion_polarity_and_the_contents_own_emotion():
    report = report_of({"muse": {"generation": _result([1.0, 0.0])}}, {}, {})
    splits = report["splits"]["right"]
    assert set(splits) == {"emotion", "polarity", "inherent"}
    by_emotion = splits["emotion"]["muse"]["generation"]
    assert {name: figure["mean"] for name, figure in by_emotion.items()} == {
        CASES[0].emotion: 1.0,
        CASES[1].emotion: 0.0,
    }
    assert splits["polarity"]["muse"]["generation"]["positive"]["n"] == 2


def test_every_setting_is_reported_beside_the_best_rival_of_equal_cost():
    muse, rival = _result([1, 1]), _result([1, 0])
    settings = {"generation": {"muse": {"as given": muse}, "words": {"x1": rival, "x2": muse}}}
    report = report_of({}, settings, {"generation": {"muse": "as given", "words": "x1"}})
    found = report["settings"]["words"]
    assert [found[key]["generation"]["right"]["mean"] for key in ("x1", "x2")] == [0.5, 1.0]
    assert report["equal_cost"]["generation"]["setting"] == "x2"


def test_sdedit_is_interpolated_between_its_strengths():
    names = ("success_examiner", "place", "subject", "content", "clip_t", *EDITS)
    weak, strong = ({name: {"mean": value} for name in names} for value in (0.2, 0.6))
    settings = {"0.3": {"editing": weak}, "0.9": {"editing": strong}}
    assert sdedit_at_equal_success(settings, 0.4)["ssim"] == 0.4
    assert sdedit_at_equal_success(settings, 0.9) is None
