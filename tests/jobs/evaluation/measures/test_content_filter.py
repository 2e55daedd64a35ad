"""What the levels of the content judge reject, over all arms."""

import numpy as np
import pytest

from jobs.evaluation.cases import draw_cases
from jobs.evaluation.measures.content_filter import filter_figures, filters_by_task
from jobs.evaluation.measures.results import ArmResult
from muse.guidance.content_levels import ContentLevels

LEVELS = ContentLevels(min_similarity=0.6, min_source_similarity=0.5)


def _result(content, **similarities):
    values = {"content": np.array(content, float)}
    values |= {name: np.array(found) for name, found in similarities.items()}
    cases = draw_cases(len(content), 3, editing=False)
    return ArmResult(cases, values, np.zeros((len(content), 8)), None, None, [], 1.0)


def test_images_of_all_arms_are_counted_together():
    one, other = _result([1, 0], clip_t=[0.7, 0.3]), _result([1, 0], clip_t=[0.5, 0.65])
    found = filter_figures([one, other], LEVELS)["min_similarity"]
    assert (found["kept"]["mean"], found["rejected"]["mean"]) == (0.5, 0.5)
    assert found["kept"]["n"] == found["rejected"]["n"] == 2
    assert found["reached_by_98"] == pytest.approx(0.504)


def test_what_cannot_be_told_is_left_out():
    with_source = _result([1, 0], clip_t=[0.7, 0.3], clip_i=[0.9, 0.2])
    assert set(filter_figures([with_source], LEVELS)) == {"min_similarity", "min_source_similarity"}
    assert set(filter_figures([with_source], ContentLevels(min_similarity=0.6))) == {
        "min_similarity"
    }
    assert filter_figures([_result([1, 1], clip_t=[0.7, 0.3])], LEVELS) == {}


def test_tasks_are_told_apart():
    generated, edited = _result([1, 0], clip_t=[0.7, 0.3]), _result([1, 0], clip_t=[0.2, 0.9])
    found = filters_by_task({"muse": {"generation": generated, "editing": edited}}, LEVELS)
    assert found["generation"]["min_similarity"]["rejected"]["mean"] == 1.0
    assert found["editing"]["min_similarity"]["rejected"]["mean"] == 0.0
