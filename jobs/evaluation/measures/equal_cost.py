"""The best rival at about the cost of `muse`: at most 1.2 times as much (`TOLERANCE`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jobs.evaluation.arms.registry import WHOLE
from jobs.evaluation.measures.intervals import figure_of, interval
from jobs.evaluation.measures.results import ArmResult, subsets

TOLERANCE = 1.2
"""A rival may cost a fifth more than `muse`: whole draws and whole forwards seldom fit a budget."""
NO_RIVALS = ("muse", WHOLE, "plain", "oracle")
"""`oracle` is told a whole scene of the target, so it is the ceiling."""


def best_at_cost(
    settings: Mapping[str, Mapping[str, ArmResult]],
    chosen: Mapping[str, str],
    reported: Mapping[str, ArmResult],
) -> dict[str, dict[str, Any]]:
    """Of the rivals' settings at up to `TOLERANCE` x the cost of `muse`, the most often right one.

    It is found on the cases that every setting made, which favours the rival. The figures are of
    all cases where it is the rival's reported setting, else of those.

    Args:
        settings: results on the same cases, by arm, `muse` among them, and setting.
        chosen: the reported setting of each arm.
        reported: its results on all cases, by arm.

    Returns:
        By task: `arm`, `setting`, `cost`, `right`, `muse` and `difference`, `muse` minus the rival
        paired by case. A task without such a rival is left out.
    """
    muse = subsets(settings["muse"][chosen["muse"]])
    found: dict[str, dict[str, Any]] = {}
    for task in muse:
        best = _best_affordable(settings, task, TOLERANCE * muse[task]["cost"].mean())
        if best is None:
            continue
        arm, setting = best
        theirs, ours = subsets(settings[arm][setting])[task], muse[task]
        if setting == chosen[arm]:
            theirs, ours = subsets(reported[arm])[task], subsets(reported["muse"])[task]
        found[task] = {
            "arm": arm,
            "setting": setting,
            "cost": figure_of(theirs["cost"]),
            "right": figure_of(theirs["right"]),
            "muse": figure_of(ours["right"]),
            "difference": interval(ours["right"] - theirs["right"]),
        }
    return found


def _best_affordable(
    settings: Mapping[str, Mapping[str, ArmResult]], task: str, budget: float
) -> tuple[str, str] | None:
    """The rival and the setting that is right most often within a cost; the first of equals."""
    best, highest = None, -1.0
    for arm, results in settings.items():
        for setting, result in results.items():
            theirs = subsets(result)[task]
            if arm in NO_RIVALS or theirs["cost"].mean() > budget:
                continue
            if theirs["right"].mean() > highest:
                best, highest = (arm, setting), float(theirs["right"].mean())
    return best
