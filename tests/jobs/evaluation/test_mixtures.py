"""Two-emotion targets are compared with runs for either emotion alone."""

from dataclasses import replace

import numpy as np
import pytest

from jobs.evaluation.arms.registry import WHOLE, ablation, arm_of, in_batches
from jobs.evaluation.cases import draw_mixtures
from jobs.evaluation.measures.results import pair_figures
from jobs.evaluation.mixtures import evaluate_mixtures
from jobs.evaluation.tuning import Bench
from muse.method import Method
from muse.mini import WEIGHTS


@pytest.mark.research
def test_the_report_has_every_run_with_intervals_and_differences():
    bench = Bench.of(WEIGHTS, Method(steps=3, max_updates_per_step=1))
    cases, arm = draw_mixtures(2, 5), arm_of(WHOLE, "content 10")
    arms = arm, ablation("muse-no-which", "content 10")
    made = [bench.measured(one, cases) for one in arms]
    report = evaluate_mixtures(bench, arm, *made)
    assert {*report} == {"mixture", "single", "no-which", "gain", "which", "rendered"}
    for name, mixture in report["mixture"].items():
        assert mixture["low"] <= mixture["mean"] <= mixture["high"]
        difference = mixture["mean"] - report["single"][name]["mean"]
        assert report["gain"][name]["mean"] == pytest.approx(difference, abs=1e-3)
    # The runs for either emotion are of the same setting and noise.
    masses = []
    for emotion in ("emotion", "second"):
        alone = [replace(case, emotion=getattr(case, emotion), second="") for case in cases]
        pixels = in_batches(arm, bench.models, bench.method, alone)[0]
        masses.append(pair_figures(bench.examiners.probs("judge", pixels), cases)["mass"])
    expected = pytest.approx(np.mean(masses), abs=1e-3)
    assert report["single"]["judge_mass"]["mean"] == expected
    # What the arms made is what is reported of them.
    for run, result in zip(("mixture", "no-which"), made, strict=True):
        mass = result.values["confidence_judge"].mean()
        assert report[run]["judge_mass"]["mean"] == pytest.approx(mass, abs=1e-3)
    without = evaluate_mixtures(bench, arm, made[0], None)
    assert {*report} - {*without} == {"no-which", "which"}
    assert without["mixture"] == report["mixture"]
