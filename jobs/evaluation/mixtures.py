"""Two-emotion targets compared with runs for either emotion alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from jobs.evaluation.arms.registry import run_arm
from jobs.evaluation.cases import draw_mixtures, mixed_scenes
from jobs.evaluation.measures.intervals import interval
from jobs.evaluation.measures.metrics import ROLES, Examiners
from jobs.evaluation.measures.results import pair_figures
from muse.method import Method


def evaluate_mixtures(weights: Path, method: Method, count: int, seed: int) -> dict[str, Any]:
    """The report's entry `mixtures`: equal mixtures, and other runs from the same noise."""
    cases, examiners = draw_mixtures(count, seed), Examiners(weights)
    first = [replace(case, second="") for case in cases]
    second = [replace(case, emotion=case.second, second="") for case in cases]
    images = {
        "mixture": run_arm(weights, method, "muse", cases)[0],
        "first": run_arm(weights, method, "muse", first)[0],
        "second": run_arm(weights, method, "muse", second)[0],
        "no-which": run_arm(weights, method, "muse-no-which", cases)[0],
        "rendered": mixed_scenes(cases, seed),
    }
    values: dict[str, dict[str, np.ndarray]] = {}
    for run, pixels in images.items():
        values[run] = {}
        for role in ROLES:
            figures = pair_figures(examiners.probs(role, pixels), cases)
            values[run] |= {f"{role}_{name}": row for name, row in figures.items()}
        values[run]["content"] = examiners.measure(pixels, cases)["content"]
    report: dict[str, dict[str, Any]] = {}
    for name, mixture in values["mixture"].items():
        single = (values["first"][name] + values["second"][name]) / 2
        no_which = values["no-which"][name]
        runs = {
            "mixture": mixture,
            "single": single,
            "no-which": no_which,
            "gain": mixture - single,
            "which": mixture - no_which,
            "rendered": values["rendered"][name],
        }
        for run, row in runs.items():
            report.setdefault(run, {})[name] = interval(row)
    return report
