"""How well the levels of the content judge tell images that have their content from others.

The level that belongs to a CLIP is the one that 49 in 50 images reach that have their content, by
every arm together: a filter may cost no more than that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from jobs.evaluation.measures.intervals import figure_of
from jobs.evaluation.measures.results import ArmResult
from muse.guidance.content_levels import ContentLevels

METRICS = {"min_similarity": "clip_t", "min_source_similarity": "clip_i"}
"""The metric that each level is a limit of."""
MISSED = 0.02
"""Share of the images with their content that a level may reject."""


def filter_figures(results: Sequence[ArmResult], levels: ContentLevels) -> dict[str, Any]:
    """Figures of the filters of one task.

    Args:
        results: of all arms.
        levels: at which they reject.

    Returns:
        By the name of the level: `level`; `kept`, the share of the images with their content that
        reach it; `rejected`, the share of the others that do not; and `reached_by_98`, the level
        that 98 % of the former reach. A level that is unknown, or has no image of either kind, is
        left out.
    """
    has_content = np.concatenate([result.values["content"] for result in results]) == 1
    found: dict[str, Any] = {}
    for name, metric in METRICS.items():
        level = getattr(levels, name)
        if level is None or metric not in results[0].values:
            continue
        similarity = np.concatenate([result.values[metric] for result in results])
        with_content, without = similarity[has_content], similarity[~has_content]
        if len(with_content) and len(without):
            found[name] = {
                "level": level,
                "kept": figure_of((with_content >= level).astype(float)),
                "rejected": figure_of((without < level).astype(float)),
                "reached_by_98": round(float(np.quantile(with_content, MISSED)), 4),
            }
    return found


def filters_by_task(
    results: Mapping[str, Mapping[str, ArmResult]], levels: ContentLevels
) -> dict[str, dict[str, Any]]:
    """`filter_figures` of each task.

    Args:
        results: by arm and task.
    """
    by_task: dict[str, list[ArmResult]] = {}
    for tasks in results.values():
        for task, result in tasks.items():
            by_task.setdefault(task, []).append(result)
    return {task: filter_figures(found, levels) for task, found in by_task.items()}
