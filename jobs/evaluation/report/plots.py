"""The plots of an evaluation, drawn from its report alone."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np

from jobs.evaluation.report.tables import TASKS

TICKS = (40, 80, 160, 320, 640, 1280)
"""Costs that are marked on a logarithmic axis."""


def scatter(report: Mapping[str, Any], across: str, label: str, file: Path) -> None:
    """Success by the examiner against another metric: a point an arm, a panel a task."""
    arms = report["arms"]
    tasks = []
    for task in TASKS:
        if any(across in figures.get(task, {}) for figures in arms.values()):
            tasks.append(task)
    size = (4.5 * len(tasks) + 1.8, 4.2)
    figure, panels = plt.subplots(1, len(tasks), figsize=size, squeeze=False, layout="constrained")
    # Points often coincide, so every arm has its colour and marker.
    styles = {arm: (f"C{i % 10}", "os^Dv<>pPX"[(i + i // 10) % 10]) for i, arm in enumerate(arms)}
    points = {}
    for panel, task in zip(panels[0], tasks, strict=True):
        for arm, (color, mark) in styles.items():
            if across not in arms[arm].get(task, {}):
                continue
            x, y = arms[arm][task][across], arms[arm][task]["success_examiner"]
            points[arm] = panel.errorbar(
                x["mean"],
                y["mean"],
                xerr=[[x["mean"] - x["low"]], [x["high"] - x["mean"]]],
                yerr=[[y["mean"] - y["low"]], [y["high"] - y["mean"]]],
                fmt=mark,
                elinewidth=0.6,
                color=color,
                markersize=10 if arm == "muse" else 6,
            )
        panel.set(title=task, xlabel=label, ylabel="success (examiner)", ylim=(-0.03, 1.03))
    figure.legend(points.values(), points, loc="outside right upper", fontsize=8)
    figure.savefig(file, dpi=110)
    plt.close(figure)


def by_cost(report: Mapping[str, Any], file: Path) -> None:
    """`right` against cost: a line through the settings of an arm, a panel a task."""
    reported = [arm for arm in report["arms"] if not arm.startswith("muse-")]
    arms = {**{arm: {} for arm in reported}, **report["settings"]}
    tasks = [task for task in TASKS if any(task in found for found in report["arms"].values())]
    size = (4.5 * len(tasks) + 1.8, 4.4)
    figure, panels = plt.subplots(1, len(tasks), figsize=size, squeeze=False, layout="constrained")
    lines = {}
    for panel, task in zip(panels[0], tasks, strict=True):
        for number, (arm, settings) in enumerate(arms.items()):
            found = [figures[task] for figures in settings.values() if task in figures]
            # Without settings that were compared, the figure that is reported.
            if not found and task in report["arms"].get(arm, {}):
                found = [report["arms"][arm][task]]
            if not found:
                continue
            found.sort(key=lambda figures: figures["cost"]["mean"])
            marker = "os^Dv<>pPX"[(number + number // 10) % 10]
            (lines[arm],) = panel.plot(
                [figures["cost"]["mean"] for figures in found],
                [figures["right"]["mean"] for figures in found],
                marker=marker,
                color=f"C{number % 10}",
                markersize=9 if arm == "muse" else 5,
                linewidth=2.5 if arm == "muse" else 1,
            )
        panel.set(title=task, xlabel="cost, in U-Net forwards", xscale="log", ylim=(-0.03, 1.03))
        panel.set_xticks(TICKS, [str(tick) for tick in TICKS])
        panel.set_xticks([], minor=True)
        panel.set(ylabel="right: emotion and content together")
    figure.legend(lines.values(), lines, loc="outside right upper", fontsize=8)
    figure.savefig(file, dpi=110)
    plt.close(figure)


def curves(report: Mapping[str, Any], file: Path) -> None:
    """Image-text similarity along the plain denoising path; a dot where `muse` started guidance."""
    figure, panel = plt.subplots(figsize=(9, 4.2), layout="constrained")
    shades = np.linspace(0, 0.95, max(1, len(report["curves"])))
    panel.set_prop_cycle(color=plt.get_cmap("viridis")(shades))
    for curve in report["curves"]:
        similarity, start = curve["similarity"], curve["start"]
        label = f"{curve['prompt']}, {curve['emotion']}"
        (line,) = panel.plot(similarity, linewidth=1, label=label)
        if start is not None:
            panel.plot(start, similarity[start], "o", color=line.get_color())
    panel.set(xlabel="denoising step", ylabel="similarity of the one-step image to its prompt")
    figure.legend(loc="outside right upper", fontsize=7)
    figure.savefig(file, dpi=110)
    plt.close(figure)


def draw_plots(report: Mapping[str, Any], stem: Path) -> None:
    """Write `STEM-right.png`, `-cost`, `-content`, `-ssim` where there are edits, and `-curves`."""

    def file(name: str) -> Path:
        return stem.with_name(f"{stem.name}-{name}.png")

    if report["arms"]:
        by_cost(report, file("right"))
        scatter(report, "cost", "cost, in U-Net forwards", file("cost"))
        scatter(report, "content", "content kept", file("content"))
    if any("editing" in tasks for tasks in report["arms"].values()):
        scatter(report, "ssim", "SSIM to the source", file("ssim"))
    if report["curves"]:
        curves(report, file("curves"))
