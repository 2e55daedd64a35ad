"""Two-emotion targets compared with runs for either emotion alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from jobs.evaluation.arms.models import Arm, pixels_of
from jobs.evaluation.cases import mixed_scenes
from jobs.evaluation.measures.intervals import figure_of, interval
from jobs.evaluation.measures.metrics import ROLES
from jobs.evaluation.measures.results import ArmResult, pair_figures
from jobs.evaluation.tuning import Bench

DIFFERENCES = ("gain", "which")
"""Of the report's runs those that are one minus another."""


def evaluate_mixtures(
    bench: Bench, arm: Arm, muse: ArmResult, no_which: ArmResult | None
) -> dict[str, Any]:
    """The report's entry `mixtures`: equal mixtures, and other runs from the same noise.

    Args:
        arm: the method in the setting that is reported; it makes the runs for either emotion alone.
        muse: what it made of two-emotion cases.
        no_which: what its ablation without WHICH made of the same; None where it is left out.
    """
    cases = muse.cases
    first = [replace(case, second="") for case in cases]
    second = [replace(case, emotion=case.second, second="") for case in cases]
    images = {
        "mixture": pixels_of(muse.samples),
        "first": bench.made(arm, first)[0],
        "second": bench.made(arm, second)[0],
        "rendered": mixed_scenes(cases, cases[0].seed),
    }
    if no_which is not None:
        images["no-which"] = pixels_of(no_which.samples)
    values: dict[str, dict[str, np.ndarray]] = {}
    for run, pixels in images.items():
        values[run] = {}
        for role in ROLES:
            figures = pair_figures(bench.examiners.probs(role, pixels), cases)
            values[run] |= {f"{role}_{name}": row for name, row in figures.items()}
        values[run]["content"] = bench.examiners.measure(pixels, cases)["content"]
    report: dict[str, dict[str, Any]] = {}
    for name, mixture in values["mixture"].items():
        single = (values["first"][name] + values["second"][name]) / 2
        runs = {"mixture": mixture, "single": single, "gain": mixture - single}
        if no_which is not None:
            without = values["no-which"][name]
            runs |= {"no-which": without, "which": mixture - without}
        runs["rendered"] = values["rendered"][name]
        for run, row in runs.items():
            figure = interval if run in DIFFERENCES else figure_of
            report.setdefault(run, {})[name] = figure(row)
    return report
