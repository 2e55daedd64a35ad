"""The charts of a report with the words and the tables that go with them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.generation.verdicts import ACCEPTED, REJECTED, STATUSES
from pipeline.report import charts
from pipeline.report.figures import COSINE_BINS, Figures
from pipeline.report.pixels import quartiles
from pipeline.report.sampling import Samples
from pipeline.report.tiles import Tile
from pipeline.terminal import percent

MAX_BARS = 12
"""Bars of a chart of counts; what is beyond is counted in the last one."""


@dataclass(frozen=True)
class Figure:
    """A chart.

    Attributes:
        title: what it shows.
        svg: without scripts.
        alt: how it is read, and what is seen in it.
        head, lines: its numbers as a table.
    """

    title: str
    svg: str
    alt: str
    head: Sequence[str]
    lines: Sequence[Sequence[Any]]


def outcome_figure(figures: Figures, targets: Sequence[str]) -> Figure:
    """How the requests of each target ended."""
    rows = []
    for target in targets:
        for status in STATUSES:
            count = figures.outcomes[target, status]
            rows.append({"target": target, "status": status, "count": count})
    lines = []
    for target in targets:
        counts = [figures.outcomes[target, status] for status in STATUSES]
        lines.append([target, *counts, percent(counts[0] / sum(counts))])
    return Figure(
        "Requests by target",
        charts.stacked_bars(rows, targets),
        "Bars: accepted, rejected and failed requests of each target.",
        ("target", *STATUSES, "accepted"),
        lines,
    )


def confusion_figure(figures: Figures, labels: Sequence[str]) -> Figure:
    """What the judge finds in the images of each target."""
    return _square(
        figures.judged,
        labels,
        "Target and the judge's strongest emotion",
        ("target", "judge's strongest"),
    )


def opinion_figure(figures: Figures, labels: Sequence[str]) -> Figure:
    """What the judge finds where the guide finds an emotion."""
    return _square(
        figures.opinions,
        labels,
        "Strongest emotion by the guide and by the judge",
        ("guide's strongest", "judge's strongest"),
    )


def _square(
    counts: Counter[tuple[str, str]], labels: Sequence[str], title: str, names: tuple[str, str]
) -> Figure:
    used = [label for label in labels if any(label in pair for pair in counts)]
    rows, lines = [], []
    for line in used:
        here = [counts[line, column] for column in used]
        for column, count in zip(used, here, strict=True):
            share = round(100 * count / max(1, sum(here)))
            rows.append({"line": line, "column": column, "percent": share})
        lines.append([line, *here])
    alt = f"Shares of images. Lines: {names[0]} emotion; columns: {names[1]} emotion."
    return Figure(title, charts.heatmap(rows, used, names), alt, (names[0], *used), lines)


def score_figures(figures: Figures) -> list[Figure]:
    """How the scores are distributed that the run has."""
    titles = {
        "similarity": ("Similarity to the prompt", "cosine by CLIP"),
        "source_similarity": ("Similarity to the source image", "cosine by CLIP"),
        "source_ssim": ("Structural similarity to the source image", "SSIM"),
    }
    found = []
    for name, (title, axis) in titles.items():
        rows, lines = [], []
        for status in (ACCEPTED, REJECTED):
            if not figures.scored(name, status):
                continue
            counts = figures.histogram(name, status)
            for number in counts.nonzero()[0]:
                low, high = COSINE_BINS[number], COSINE_BINS[number + 1]
                rows.append(
                    {
                        "low": round(float(low), 3),
                        "high": round(float(high), 3),
                        "status": status,
                        "count": int(counts[number]),
                    }
                )
            middle, lowest = figures.median(name, status), figures.lowest[name, status]
            lines.append([status, figures.scored(name, status), cosine(middle), cosine(lowest)])
        if rows:
            alt = "A histogram of accepted (blue) and rejected (orange) images."
            svg = charts.histogram(rows, axis)
            head = ("status", "images", "median", "lowest")
            found.append(Figure(title, svg, alt, head, lines))
    return found


def cosine(value: float) -> str:
    """With two decimals, and never as -0.00."""
    return f"{round(value, 2) + 0.0:.2f}"


def count_figure(counts: Counter[int], title: str, axis: str) -> Figure | None:
    """A bar for each number; None for fewer than two."""
    if len(counts) < 2:
        return None
    shown: Counter[str] = Counter()
    numbers = sorted(counts)
    last = numbers[min(len(numbers), MAX_BARS) - 1]
    for number in numbers:
        name = f"{last}+" if number >= last < numbers[-1] else str(number)
        shown[name] += counts[number]
    rows = [{"name": name, "count": count} for name, count in shown.items()]
    alt = f"Bars: requests by {axis}."
    return Figure(title, charts.bars(rows, axis), alt, (axis, "requests"), list(shown.items()))


def curve_figure(samples: Samples) -> Figure | None:
    """Similarity until guidance began; None where no curve has more than a point."""
    rows, starts, lengths = [], [], Counter[int]()
    for number, (curve, start) in enumerate(samples.curves.by_position()):
        lengths[len(curve)] += 1
        # The last point is the step at which guidance began; edits skip the steps before the first.
        first = 0 if start is None else max(0, start - len(curve) + 1)
        points = [
            {"sample": str(number), "step": step, "similarity": similarity}
            for step, similarity in enumerate(curve, first)
        ]
        rows += points
        starts += points[-1:] if start is not None else []
    if not lengths or max(lengths) < 2:
        return None
    return Figure(
        f"Similarity until guidance began, {len(samples.curves.heap)} samples",
        charts.curves(rows, starts),
        "Lines: similarity to the prompt at each denoising step; dots: where guidance began.",
        ("steps", "samples"),
        sorted(lengths.items()),
    )


def pixel_figures(tiles: Iterable[Tile], targets: Sequence[str]) -> list[Figure]:
    """Brightness and colourfulness of the pictures that are shown, by target.

    Args:
        targets: as the tiles name them; those of mixtures are not compared.
    """
    tiles = [tile for tile in tiles if tile.status == ACCEPTED and tile.picture]
    found = []
    for name, title, axis in (
        ("brightness", "Brightness", "from 0 (black) to 1 (white)"),
        ("colourfulness", "Colourfulness", "from 0 (grey) to about 110"),
    ):
        rows: list[dict[str, Any]] = []
        lines: list[list[Any]] = []
        for target in targets:
            values = [getattr(tile, name) for tile in tiles if tile.target == target]
            if not values:
                continue
            low, middle, high = quartiles(values)
            rows.append({"target": target, "low": low, "middle": middle, "high": high})
            lines.append([target, len(values), f"{low:.3g}", f"{middle:.3g}", f"{high:.3g}"])
        if rows:
            svg = charts.ranges(rows, [line[0] for line in lines], axis)
            alt = f"Dots: the median {name} by target; lines: the middle half."
            head = ("target", "images", "lower quartile", "median", "upper quartile")
            found.append(Figure(f"{title} of the pictures above", svg, alt, head, lines))
    return found
