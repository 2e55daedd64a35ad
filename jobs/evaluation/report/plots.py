"""The plots of an evaluation, drawn from its report alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jobs.evaluation.arms.registry import ABLATIONS
from jobs.evaluation.report.names import NAMES, TITLES
from jobs.evaluation.report.tables import TASKS
from muse.emotions import MIKELS

TICKS = (40, 80, 160, 320, 640, 1280)
"""Costs that are marked on a logarithmic axis."""
BY_EMOTION = ("words", "cues", "latent", "muse", "oracle")
"""Arms that are shown by emotion, where the report has them."""
RIGHT = "share that is right"
WIDTH, DPI = 8.5, 120
"""Inches of a plot, and pixels of an inch: on a page of 700 pixels its text is as large as the
page's."""
COLORS = plt.get_cmap("tab20")([*range(0, 20, 2), *range(1, 20, 2)])
MARKERS = "os^Dv<>pPXhd*H8"
"""Of the arms, in the order of `NAMES`; points often coincide, so every arm has its own."""


def style(arm: str) -> dict[str, Any]:
    """The colour, marker and size of an arm, the same in every plot."""
    number, is_muse = [*NAMES].index(arm), arm == "muse"
    size = {"markersize": 10 if is_muse else 6, "linewidth": 2.5 if is_muse else 1}
    return {"color": COLORS[number], "marker": MARKERS[number], **size}


def tasks_in(part: Mapping[str, Any]) -> list[str]:
    """The tasks that any arm of a part of the report has."""
    return [task for task in TASKS if any(task in found for found in part.values())]


def _panels(
    count: int,
    columns: int,
    height: float,
    legend: float = 0.0,
    sharex: bool = False,
    sharey: bool = False,
) -> tuple[Figure, list[Axes]]:
    """A figure of so many panels, row by row.

    Args:
        height, legend: inches of a row of panels, and below all of them.
    """
    rows = -(-count // columns)
    figure, panels = plt.subplots(
        rows,
        columns,
        figsize=(WIDTH, height * rows + legend),
        squeeze=False,
        sharex=sharex,
        sharey=sharey,
        layout="constrained",
    )
    for panel in panels.flat[count:]:
        panel.set_visible(False)
    return figure, [*panels.flat[:count]]


def _legend_below(figure: Figure, lines: Mapping[str, Any]) -> None:
    figure.legend(
        [*lines.values()],
        [*lines],
        loc="outside lower center",
        ncols=3,
        fontsize=8,
        columnspacing=1.0,
        handletextpad=0.4,
    )


def by_cost(report: Mapping[str, Any], file: Path) -> None:
    """`right` against cost, a panel a task, without the ablations.

    What is reported of an arm has its interval; a thin line goes through its settings, of which
    fewer images were made.
    """
    tasks = tasks_in(report["arms"])
    figure, panels = _panels(len(tasks), columns=2, height=3.4, legend=1.3, sharex=True)
    lines: dict[str, Any] = {}
    for panel, task in zip(panels, tasks, strict=True):
        found = {arm: of[task] for arm, of in report["arms"].items() if task in of}
        costs = {arm: one["cost"]["mean"] for arm, one in found.items() if arm not in ABLATIONS}
        for arm, cost in _apart(costs).items():
            _settings_line(panel, arm, report["settings"].get(arm, {}), task)
            right = found[arm]["right"]
            lines[NAMES[arm]] = panel.errorbar(
                cost, right["mean"], yerr=_reach([right]), elinewidth=0.8, **style(arm)
            )
        panel.set(title=TITLES[task], xlabel="cost, in forwards of the U-Net", xscale="log")
        panel.set(ylim=(-0.05, 1.06))
        panel.set_xticks(TICKS, [str(tick) for tick in TICKS])
        panel.set_xticks([], minor=True)
        panel.tick_params(labelbottom=True)
        panel.set(ylabel=RIGHT)
    _legend_below(figure, lines)
    figure.savefig(file, dpi=DPI)
    plt.close(figure)


def _apart(costs: Mapping[str, float]) -> dict[str, float]:
    """Where marks are put: those of nearly equal cost side by side around it."""
    groups: list[list[str]] = []
    for arm in sorted(costs, key=lambda arm: costs[arm]):
        if groups and costs[arm] <= 1.05 * costs[groups[-1][0]]:
            groups[-1].append(arm)
        else:
            groups.append([arm])
    places = {}
    for group in groups:
        for number, arm in enumerate(group):
            places[arm] = costs[arm] * 1.07 ** (number - (len(group) - 1) / 2)
    return places


def _settings_line(panel: Axes, arm: str, settings: Mapping[str, Any], task: str) -> None:
    points = []
    for tasks in settings.values():
        if task in tasks:
            points.append((tasks[task]["cost"]["mean"], tasks[task]["right"]["mean"]))
    if points:
        look = {**style(arm), "markersize": 2.5, "linewidth": 0.8, "alpha": 0.7}
        panel.plot(*zip(*sorted(points), strict=True), **look)


def _reach(figures: Sequence[Mapping[str, float]]) -> np.ndarray:
    """How far the intervals reach below and above their means: (2, n)."""
    below = [figure["mean"] - figure["low"] for figure in figures]
    above = [figure["high"] - figure["mean"] for figure in figures]
    # Rounding may put a bound on the wrong side of its mean.
    return np.maximum(0, [below, above])


def differences(report: Mapping[str, Any], file: Path) -> None:
    """`muse` minus each arm in `right`, with its interval: a row an arm, a panel a task.

    Green where the interval is above 0, red where it is below, grey where it contains 0.
    """
    arms = list(report["differences"])
    tasks = tasks_in(report["differences"])
    height = 0.26 * len(arms) + 0.8
    figure, panels = _panels(len(tasks), columns=2, height=height, sharey=True)
    for panel, task in zip(panels, tasks, strict=True):
        for row, arm in enumerate(arms):
            if task not in report["differences"][arm]:
                continue
            found = report["differences"][arm][task]["right"]
            low, mean, high = (100 * found[name] for name in ("low", "mean", "high"))
            color = "C2" if low > 0 else "C3" if high < 0 else "C7"
            panel.plot([low, high], [row, row], color=color)
            panel.plot(mean, row, "o", color=color)
        panel.axvline(0, color="black", linewidth=0.8)
        panel.set_yticks(range(len(arms)), [NAMES[arm] for arm in arms])
        panel.set(title=TITLES[task], ylim=(len(arms) - 0.5, -0.5))
    figure.supxlabel("points by which muse is ahead; grey where the interval contains 0", size=10)
    figure.savefig(file, dpi=DPI)
    plt.close(figure)


def by_emotion(report: Mapping[str, Any], file: Path) -> None:
    """`right` by the emotion that is asked for, with its interval: a panel a task."""
    part = report["splits"]["right"]["emotion"]
    arms, tasks = [arm for arm in BY_EMOTION if arm in part], tasks_in(part)
    figure, panels = _panels(len(tasks), columns=1, height=3.0, legend=0.6)
    lines: dict[str, Any] = {}
    for panel, task in zip(panels, tasks, strict=True):
        for number, arm in enumerate(arms):
            found = part[arm].get(task, {})
            # A small suite may lack an emotion.
            labels = [label for label in MIKELS.labels if label in found]
            figures = [found[label] for label in labels]
            places = [MIKELS.index(label) + 0.13 * (number - len(arms) / 2) for label in labels]
            lines[NAMES[arm]] = panel.errorbar(
                places,
                [one["mean"] for one in figures],
                yerr=_reach(figures),
                elinewidth=0.8,
                **style(arm) | {"linewidth": 0},
            )
        panel.set_xticks(range(len(MIKELS)), MIKELS.labels)
        panel.set(title=TITLES[task], ylim=(-0.05, 1.06), ylabel=RIGHT)
        panel.set(xlim=(-0.5, len(MIKELS) - 0.5))
    _legend_below(figure, lines)
    figure.savefig(file, dpi=DPI)
    plt.close(figure)


def curves(report: Mapping[str, Any], file: Path) -> None:
    """Image-text similarity along the plain denoising path; a dot where guidance started."""
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
    """Write `STEM-right.png`, `-differences`, `-emotions` and `-curves`: those with figures."""

    def file(name: str) -> Path:
        return stem.with_name(f"{stem.name}-{name}.png")

    if report["arms"]:
        by_cost(report, file("right"))
    if report["differences"]:
        differences(report, file("differences"))
    if tasks_in(report["splits"].get("right", {}).get("emotion", {})):
        by_emotion(report, file("emotions"))
    if report["curves"]:
        curves(report, file("curves"))
