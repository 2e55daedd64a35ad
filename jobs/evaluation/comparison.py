"""Arms compared on the same cases: every figure of the report but those of sweeps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from jobs.evaluation.arms.models import plain
from jobs.evaluation.arms.registry import WHOLE, Family, by_engine
from jobs.evaluation.cases import Case
from jobs.evaluation.measures.content_filter import filters_by_task
from jobs.evaluation.measures.equal_cost import best_at_cost
from jobs.evaluation.measures.intervals import interval
from jobs.evaluation.measures.results import (
    ArmResult,
    at_equal_success,
    by_task,
    confusion,
    split_figures,
    subsets,
)
from jobs.evaluation.mixtures import evaluate_mixtures
from jobs.evaluation.plan import Plan, asked_for, chosen_arm, left_out
from jobs.evaluation.report.tables import EDITS, as_row, header, left_out_line
from jobs.evaluation.tuning import Bench, tune

PARTS = (
    *("arms", "differences", "splits", "confusion", "settings", "chosen", "left_out", "trials"),
    *("equal_cost", "filters", "mixtures"),
)
"""Keys of the report with figures by arm or task."""
ATTRIBUTES = ("emotion", "polarity", "inherent")
"""Attributes of a case by which figures are split."""
SPLIT_METRICS = ("success_examiner", "right")

Results = Mapping[str, Mapping[str, ArmResult]]
"""Results by arm and task."""
Settings = Mapping[str, Mapping[str, Mapping[str, ArmResult]]]
"""Results by task, arm and setting."""


def evaluate(
    bench: Bench,
    tasks: Mapping[str, Sequence[Case]],
    arms: Mapping[str, Sequence[str]],
    tuning: Mapping[str, Sequence[Case]] | None = None,
    compared: Mapping[str, int] = MappingProxyType({}),
    curves: int = 0,
    mixtures: int = 0,
) -> dict[str, Any]:
    """Run and measure the given arms on the cases of each task.

    Args:
        arms: their names, by task.
        tuning: other cases of each task, on which the best setting of each arm is found; None for
            the settings that are the default.
        compared: of how many cases every setting of every arm is made, for curves by cost, by task.
        curves: of how many cases the report has similarity curves.
        mixtures: of how many two-emotion cases `WHOLE`, which is then among the arms, is compared
            with runs for either emotion.
    """
    method = bench.method
    results: dict[str, dict[str, ArmResult]] = {}
    settings: dict[str, dict[str, dict[str, ArmResult]]] = {}
    report: dict[str, Any] = {"chosen": {}, "left_out": {}, "trials": {}, "mixtures": {}}
    plans: dict[str, Plan] = {}
    for task, cases in tasks.items():
        tuned = 0 if tuning is None else len(tuning[task])
        mixed = mixtures if task == "mixtures" else 0
        every = min(compared.get(task, 0), len(cases))
        plans[task] = Plan(task, arms[task], tuned, len(cases), every, mixed)
        bench.progress.ahead += plans[task].ahead(method)
    print(header(), flush=True)
    for task, cases in tasks.items():
        found = asked_for(arms[task], bench.kept)
        chosen = {name: family.default for name, family in found.items()}
        if tuning is not None:
            chosen, report["trials"][task] = tune(bench, found, tuning[task])
            is_tuned = replace(plans[task], tuned=0)
            bench.progress.replan(is_tuned.ahead(method), is_tuned.ahead(method, chosen))
        report["chosen"][task] = chosen
        missing = left_out(arms[task], method, chosen)
        if missing:
            report["left_out"][task] = missing
            print(*(left_out_line(task, name) for name in missing), sep="\n", flush=True)
        for name in arms[task]:
            if name in missing:
                continue
            arm = chosen_arm(name, found, chosen)
            results.setdefault(name, {})[task] = bench.measured(arm, cases)
            for part, figures in by_task(results[name][task]).items():
                print(as_row(name, part, figures), flush=True)
        if plans[task].compared:
            first = cases[: plans[task].compared]
            named = {name: family for name, family in found.items() if name in arms[task]}
            reported = {name: results[name][task].first(len(first)) for name in named}
            settings[task] = compare_settings(bench, named, chosen, reported, first)
        if task == "mixtures" and mixtures:
            arm = chosen_arm(WHOLE, found, chosen)
            made = {name: of[task].first(mixtures) for name, of in results.items() if task in of}
            both = made[WHOLE], made.get("muse-no-which")
            report["mixtures"] = evaluate_mixtures(bench, arm, *both)
    drawn: list[dict[str, Any]] = []
    if curves:
        drawn = similarity_curves(bench, results[WHOLE]["generation"], curves)
    report["filters"] = filters_by_task(results, bench.examiners.clip.levels)
    return {"curves": drawn, **report, **report_of(results, settings, report["chosen"])}


def compare_settings(
    bench: Bench,
    found: Mapping[str, Family],
    chosen: Mapping[str, str],
    reported: Mapping[str, ArmResult],
    cases: Sequence[Case],
) -> dict[str, dict[str, ArmResult]]:
    """The results of every setting of the arms on the same cases.

    Args:
        reported: those of the chosen settings, which are not made again.
    """
    results: dict[str, dict[str, ArmResult]] = {}
    for name, family in found.items():
        results[name] = {}
        for key, arm in family.settings.items():
            is_known = key == chosen[name]
            results[name][key] = reported[name] if is_known else bench.measured(arm, cases)
            for part, figures in by_task(results[name][key]).items():
                print(as_row(f"{name} {key}", part, figures), flush=True)
    return results


def report_of(
    results: Results, settings: Settings, chosen: Mapping[str, Mapping[str, str]]
) -> dict[str, Any]:
    """Every figure of the arms and between them, by the keys of the report."""
    report: dict[str, Any] = {"arms": {}, "differences": {}, "confusion": {}}
    report["splits"] = {metric: {name: {} for name in ATTRIBUTES} for metric in SPLIT_METRICS}
    for arm, tasks in results.items():
        for part in ("arms", "differences", "confusion"):
            report[part][arm] = {}
        for task, result in tasks.items():
            report["arms"][arm] |= by_task(result)
            if task != "mixtures":
                add_splits(report["splits"], arm, task, result)
                report["confusion"][arm][task] = confusion(result.probs, result.cases)
            if arm != "muse" and task in results.get("muse", {}):
                report["differences"][arm] |= differences(results["muse"][task], result)
    report["differences"] = {arm: tasks for arm, tasks in report["differences"].items() if tasks}
    return report | report_of_settings(settings, chosen, results)


def report_of_settings(
    settings: Settings, chosen: Mapping[str, Mapping[str, str]], reported: Results
) -> dict[str, Any]:
    """The entries `settings`, `equal_cost` and `sdedit_at_equal_success`."""
    report: dict[str, Any] = {"settings": {}, "equal_cost": {}}
    for task, arms in settings.items():
        for arm, results in arms.items():
            found = report["settings"].setdefault(arm, {})
            for key, result in results.items():
                found.setdefault(key, {}).update(by_task(result))
        if "muse" in arms:
            of_task = {arm: of[task] for arm, of in reported.items() if task in of}
            report["equal_cost"] |= best_at_cost(arms, chosen[task], of_task)
    edits = settings.get("editing", {})
    if "muse" in edits and "sdedit" in edits:
        muse = by_task(edits["muse"][chosen["editing"]["muse"]])["editing"]
        report["sdedit_at_equal_success"] = sdedit_at_equal_success(
            report["settings"]["sdedit"], muse["success_examiner"]["mean"]
        )
    return report


def add_splits(splits: dict[str, Any], arm: str, task: str, result: ArmResult) -> None:
    """Enter the figures of a result by each attribute of its cases."""
    for metric, by_attribute in splits.items():
        for attribute, by_arm in by_attribute.items():
            by_arm.setdefault(arm, {})[task] = split_figures(result, attribute, metric)


def differences(muse: ArmResult, other: ArmResult) -> dict[str, Any]:
    """`muse` minus another arm, case by case."""
    others, found = subsets(other), {}
    for name, values in subsets(muse).items():
        found[name] = {key: interval(row - others[name][key]) for key, row in values.items()}
    return found


def sdedit_at_equal_success(settings: Mapping[str, Any], success: float) -> dict[str, float] | None:
    """The figures of edits by `sdedit` at the strength with this success, by interpolation.

    Args:
        settings: figures by strength, weakest first, and task.
    """
    names = ("success_examiner", "place", "subject", "content", "clip_t", *EDITS)
    means = []
    for tasks in settings.values():
        means.append({name: tasks["editing"][name]["mean"] for name in names})
    return at_equal_success(means, success)


def similarity_curves(bench: Bench, result: ArmResult, count: int) -> list[dict[str, Any]]:
    """Similarity at every step of the first cases without guidance; where `WHOLE` started it."""
    cases = result.cases[:count]
    # A level that is never reached, so that the policy watches every step and never starts.
    unguided = by_engine(plain, False, timing="threshold", timing_level=1.0, timing_latest=1.0)
    _, samples, _ = bench.made(replace(unguided, name="unguided"), cases)
    curves = []
    for case, sample, guided in zip(cases, samples, result.samples[:count], strict=True):
        curve = {"prompt": case.prompt, "emotion": case.emotion}
        similarity = [round(value, 4) for value in sample.trace.similarity]
        curves.append({**curve, "similarity": similarity, "start": guided.trace.start_step})
    return curves
