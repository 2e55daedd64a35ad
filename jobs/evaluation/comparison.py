"""Arms compared on the same cases: every figure of the report but those of mixtures and sweeps."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jobs.benchmark.cost import count as count_costs
from jobs.evaluation.arms import STRENGTHS, by_engine, in_batches, load, plain, run_arm
from jobs.evaluation.cases import Case
from jobs.evaluation.intervals import interval
from jobs.evaluation.metrics import Examiners, Values
from jobs.evaluation.results import (
    ArmResult,
    at_equal_success,
    by_task,
    confusion,
    measure,
    split_figures,
    subsets,
)
from jobs.evaluation.tables import EDITS, as_row, header
from muse.method import Method
from pipeline.errors import UserError

SDEDIT = tuple(f"sdedit-{strength}" for strength in STRENGTHS)
PARTS = ("arms", "differences", "emotions", "inherent", "confusion")
"""Keys of the report with figures by arm."""

Results = Mapping[str, Mapping[str, ArmResult]]
"""Results by arm and task."""


def draws_for(muse: Values, once: Values) -> int:
    """The draws that cost at least as much as `muse`, where one costs as much as `once`."""
    return max(1, math.ceil(muse["cost"].mean() / once["cost"].mean() - 1e-9))


def draws_of_rejection(results: Results, task: str) -> int:
    """The draws of `rejection` that match the cost of `muse`.

    Raises:
        UserError: no results of `muse`, or of the arm that `rejection` draws from.
    """
    base = "prompted" if task == "generation" else SDEDIT[-1]
    missing = [name for name in ("muse", base) if task not in results.get(name, {})]
    if missing:
        raise UserError(
            f"rejection has the budget of muse, so for {task} it also needs --arms "
            f"{','.join(missing)}"
        )
    return draws_for(results["muse"][task].values, results[base][task].values)


def evaluate(
    weights: Path,
    method: Method,
    tasks: Mapping[str, Sequence[Case]],
    arms: Mapping[str, Sequence[str]],
    curves: int = 0,
) -> dict[str, Any]:
    """Run and measure the given arms on the cases of each task.

    Args:
        arms: their names, by task.
        curves: of how many cases the report has similarity curves.

    Raises:
        UserError: `rejection` without the arms that it needs.
    """
    examiners, costs = Examiners(weights), count_costs(load(weights))
    results: dict[str, dict[str, ArmResult]] = {}
    draws: dict[str, int] = {}
    print(header(), flush=True)
    for task, cases in tasks.items():
        # `rejection` comes last: its number of draws depends on the cost of `muse`.
        for arm in sorted(arms[task], key=lambda arm: arm == "rejection"):
            if arm == "rejection":
                draws[task] = draws_of_rejection(results, task)
            images = draws[task] if arm == "rejection" else 1
            run = run_arm(weights, method, arm, cases, images)
            spent = costs.of_all(run[1], method, task == "editing", images)
            result = measure(examiners, cases, run, spent)
            results.setdefault(arm, {})[task] = result
            for name, figures in by_task(result).items():
                print(as_row(arm, name, figures), flush=True)
    if "editing" in results.get("prompted", {}):
        results["inversion"] = {"editing": results["prompted"]["editing"]}
    drawn: list[dict[str, Any]] = []
    if curves:
        drawn = similarity_curves(weights, method, results["muse"]["generation"], curves)
    return {"draws": draws, "curves": drawn, **report_of(results)}


def report_of(results: Results) -> dict[str, Any]:
    """Every figure of the arms and between them, by the keys of the report."""
    report: dict[str, dict[str, Any]] = {part: {arm: {} for arm in results} for part in PARTS}
    for arm, tasks in results.items():
        for task, result in tasks.items():
            report["arms"][arm] |= by_task(result)
            report["emotions"][arm][task] = split_figures(result, "emotion")
            report["inherent"][arm][task] = split_figures(result, "inherent")
            report["confusion"][arm][task] = confusion(result.probs, result.cases)
            if arm != "muse" and task in results.get("muse", {}):
                report["differences"][arm] |= differences(results["muse"][task], result)
    report["differences"] = {arm: tasks for arm, tasks in report["differences"].items() if tasks}
    return report | sdedit_at_equal_success(report["arms"])


def differences(muse: ArmResult, other: ArmResult) -> dict[str, Any]:
    """`muse` minus another arm, case by case."""
    others, found = subsets(other), {}
    for name, values in subsets(muse).items():
        found[name] = {key: interval(row - others[name][key]) for key, row in values.items()}
    return found


def sdedit_at_equal_success(arms: Mapping[str, Any]) -> dict[str, Any]:
    """The report's entry of that name; empty without edits by `muse` and by `sdedit`."""
    edits = [arms[arm]["editing"] for arm in SDEDIT if "editing" in arms.get(arm, {})]
    if not edits or "editing" not in arms.get("muse", {}):
        return {}
    names = ("success_examiner", "place", "subject", "content", "clip_t", *EDITS)
    means = [{name: figures[name]["mean"] for name in names} for figures in edits]
    success = arms["muse"]["editing"]["success_examiner"]["mean"]
    return {"sdedit_at_equal_success": at_equal_success(means, success)}


def similarity_curves(
    weights: Path, method: Method, result: ArmResult, count: int
) -> list[dict[str, Any]]:
    """Similarity at every step of the first cases without guidance, and where `muse` started it."""
    cases, timing = result.cases[:count], "threshold"
    if method.timing == "unconditional_threshold":
        timing = method.timing
    # A level that is never reached, so that the policy watches every step and never starts.
    unguided = by_engine(plain, timing=timing, timing_level=1.0, timing_latest=1.0)
    _, samples, _ = in_batches(unguided, load(weights), method, cases)
    curves = []
    for case, sample, guided in zip(cases, samples, result.samples[:count], strict=True):
        curve = {"prompt": case.prompt, "emotion": case.emotion}
        similarity = [round(value, 4) for value in sample.trace.similarity]
        curves.append({**curve, "similarity": similarity, "start": guided.trace.start_step})
    return curves
