"""The best rival at about the cost of `muse`: at most 1.2 times as much (`TOLERANCE`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jobs.evaluation.arms.registry import WHOLE
from jobs.evaluation.measures.intervals import interval
from jobs.evaluation.measures.results import ArmResult, subsets

TOLERANCE = 1.2
"""A rival may cost a fifth more than `muse`: whole draws and whole forwards seldom fit a budget."""
NO_RIVALS = ("muse", WHOLE, "plain", "oracle")
"""`oracle` is told a whole scene of the target, so it is the ceiling."""


def best_at_cost(
    muse: ArmResult, settings: Mapping[str, Mapping[str, ArmResult]]
) -> dict[str, dict[str, Any]]:
    """Of the rivals' settings at up to `TOLERANCE` x the cost of `muse`, the most often right one.

    It is chosen on the very cases of the figure, which favours the rival.

    Args:
        settings: results on the same cases as `muse`, by arm and setting.

    Returns:
        By task: `arm`, `setting`, `cost`, `right`, `muse` and `difference`, `muse` minus the rival
        paired by case. A task without such a rival is left out.
    """
    found: dict[str, dict[str, Any]] = {}
    for task, ours in subsets(muse).items():
        budget, highest = TOLERANCE * ours["cost"].mean(), -1.0
        for arm, results in settings.items():
            for setting, result in results.items():
                theirs = subsets(result)[task]
                is_affordable = arm not in NO_RIVALS and theirs["cost"].mean() <= budget
                if not is_affordable or theirs["right"].mean() <= highest:
                    continue
                highest = float(theirs["right"].mean())
                found[task] = {
                    "arm": arm,
                    "setting": setting,
                    "cost": interval(theirs["cost"]),
                    "right": interval(theirs["right"]),
                    "muse": interval(ours["right"]),
                    "difference": interval(ours["right"] - theirs["right"]),
                }
    return found
