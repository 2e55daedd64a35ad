"""The table and the plot of the utilisation of a device, from its report."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt

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
    ratio = shown(report["ratios"]["seconds_vs_reference"], "x")
    lines += ["", f"The reference loop over the engine: {ratio}."]
    return "\n".join(lines) + "\n"


def shown(value: float | None, unit: str) -> str:
    """The value with its unit, or that it was not measured."""
    return "(not measured)" if value is None else f"{value:.1f} {unit}"


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
