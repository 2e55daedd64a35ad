"""Two-emotion targets are compared with runs for either emotion alone."""

import pytest

from jobs.evaluation.mixtures import evaluate_mixtures
from muse.method import Method
from muse.mini import WEIGHTS


@pytest.mark.research
def test_the_report_has_every_run_with_intervals_and_differences():
    report = evaluate_mixtures(WEIGHTS, Method(steps=3, max_updates_per_step=1), 2, 5)
    assert {*report} == {"mixture", "single", "no-which", "gain", "which", "rendered"}
    for name, mixture in report["mixture"].items():
        assert mixture["low"] <= mixture["mean"] <= mixture["high"]
        difference = mixture["mean"] - report["single"][name]["mean"]
        assert report["gain"][name]["mean"] == pytest.approx(difference, abs=1e-3)
