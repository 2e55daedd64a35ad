"""The table and the plot of the utilisation of a device, from its report."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt

from jobs.benchmark.full_size.utilisation import GOALS, MAX_GROWTH
from jobs.benchmark.report import bars


def as_markdown(report: Mapping[str, Any]) -> str:
    lines = [
        f"{report['model']}, {report['dtype']}, on {report['device']}, with "
        f"{report['matmul_tflops']:.1f} TFLOP/s in matrix products; the reference loop takes "
        f"{shown(report['reference_seconds_per_image'], 's')} an image.",
        "",
        "| arm | steps | rows | images an hour | of the matmul rate | peak |",
        "|---|---|---|---|---|---|",
    ]
    for kind in ("full", "sweep"):
        for row in report[kind]:
            speed = f"{row['images_per_hour']:,.0f} | {row['fraction_of_matmul']:.1%}"
            peak = f"{row['peak_gib']:.1f} GiB"
            lines.append(f"| {row['arm']} | {row['steps']} | {row['rows']} | {speed} | {peak} |")
    if held := report["flat"]:
        first, last = held["after_first_gib"], held["after_last_gib"]
        span = f"{first:.3f} GiB after the first batch, {last:.3f} GiB after the last"
        lines += ["", f"Memory over {held['images']} images: {span}."]
    return "\n".join([*lines, "", *goal_lines(report)]) + "\n"


def goal_lines(report: Mapping[str, Any]) -> list[str]:
    """The goals of an H200 beside what was measured."""
    ratios, held = report["ratios"], report["flat"]
    growth = held["after_last_gib"] / held["after_first_gib"] if held else None
    speed, used = ratios["seconds_vs_reference"], ratios["gpu_fraction_of_matmul"]
    least, share = GOALS["seconds_vs_reference"], GOALS["gpu_fraction_of_matmul"]
    # Of the memory less is better: both sides are negated.
    negated = None if growth is None else -growth
    last = f"<= {MAX_GROWTH} x"
    rows = (
        ("reference loop over the engine", shown(speed, "x"), f">= {least:g} x", speed, least),
        ("share of the matmul rate", percent(used), f">= {share:.0%}", used, share),
        ("last memory over the first", shown(growth, "x", 3), last, negated, -MAX_GROWTH),
    )
    lines = ["| figure | measured | goal | |", "|---|---|---|---|"]
    for name, measured, goal, value, limit in rows:
        met = "" if value is None else "met" if value >= limit else "missed"
        lines.append(f"| {name} | {measured} | {goal} | {met} |")
    return lines


NOT_MEASURED = "(not measured)"


def shown(value: float | None, unit: str, digits: int = 1) -> str:
    """The value with its unit, or that it was not measured."""
    return NOT_MEASURED if value is None else f"{value:.{digits}f} {unit}"


def percent(share: float | None) -> str:
    return NOT_MEASURED if share is None else f"{share:.1%}"


def draw(report: Mapping[str, Any], file: Path) -> None:
    """Utilisation against rows, and where the seconds of a batch go."""
    figure, panels = plt.subplots(1, 2, figsize=(11, 4.2), layout="constrained")
    for arm in dict.fromkeys(row["arm"] for row in report["sweep"]):
        rows = [row for row in report["sweep"] if row["arm"] == arm]
        shares = [row["fraction_of_matmul"] for row in rows]
        panels[0].plot([row["rows"] for row in rows], shares, marker="o", label=arm)
    panels[0].set(
        xlabel="rows", ylabel="share of the measured matmul rate", xscale="log", ylim=(0, None)
    )
    panels[0].legend(fontsize=8)
    bars(panels[1], report["parts"] or {}, "seconds of a short batch")
    figure.savefig(file, dpi=110)
    plt.close(figure)
