"""How far a classifier's figures can be trusted: exact intervals, and what a run is warned of."""

import json
import shutil

import pytest

from muse.mini import WEIGHTS
from pipeline.classifier.quality import classifier_warnings, exact_interval, problems_of

MANY = {"a": 500, "b": 500}


@pytest.mark.parametrize(
    ("successes", "trials"), [(0, 1), (1, 1), (0, 11), (11, 11), (3, 11), (50, 95), (9000, 10_000)]
)
def test_the_interval_is_that_of_scipy(successes, trials):
    stats = pytest.importorskip("scipy.stats")
    expected = stats.binomtest(successes, trials).proportion_ci(0.95, method="exact")
    assert exact_interval(successes, trials) == pytest.approx(tuple(expected), abs=1e-9)


def _figures(confusion, trained_on=MANY):
    return {"labels": ["a", "b"], "confusion": confusion, "trained_on": trained_on}


def test_a_good_classifier_has_no_problems():
    assert problems_of(_figures([[180, 20], [20, 180]])) == []


def test_guessing_is_named_against_the_most_frequent_emotion():
    (problem,) = problems_of(_figures([[300, 0], [100, 0]]))
    assert "no better than guessing" in problem
    assert "always naming 'a' is right for 75.0%" in problem


def test_few_images_are_named():
    problems = problems_of(_figures([[5, 0], [0, 6]], {"a": 7, "b": 500}))
    assert any("examined on 11 images only" in problem for problem in problems)
    assert any("fitted on few images: 7 of a" in problem for problem in problems)


@pytest.fixture
def classifier(tmp_path):
    def write(figures, name="guide"):
        folder = tmp_path / name
        shutil.copytree(WEIGHTS / "guide", folder)
        about = {} if figures is None else {"about": {"figures": figures}}
        (folder / "classifier.json").write_text(json.dumps({"kind": "model", **about}))
        return folder

    return write


def test_a_run_is_warned_of_a_classifier_by_its_role(classifier):
    weak = classifier(_figures([[3, 3], [2, 3]]))
    warnings = list(classifier_warnings({"judge": weak}))
    assert warnings
    assert all(text.startswith(f"--judge {weak}: ") for text in warnings)


@pytest.mark.parametrize("figures", [None, {}, {"labels": ["a"], "confusion": []}, "text"])
def test_a_classifier_of_other_origin_is_not_judged(classifier, figures):
    assert list(classifier_warnings({"guide": classifier(figures)})) == []


def test_the_members_of_an_ensemble_are_judged(classifier, tmp_path):
    weak = classifier(_figures([[3, 3], [2, 3]]), "weak")
    ensemble = tmp_path / "ensemble"
    ensemble.mkdir()
    spec = {"kind": "ensemble", "members": [str(weak), str(WEIGHTS / "place")]}
    (ensemble / "classifier.json").write_text(json.dumps(spec))
    assert any(str(weak) in text for text in classifier_warnings({"guide": ensemble}))
