"""The charts of a report, as SVG without scripts that takes the colours of the page it is in.

Vega-Altair describes them, and vl-convert draws them, without a browser or a network.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.generation.verdicts import ACCEPTED, FAILED, REJECTED

WIDTH = 230
"""Pixels of the plotting area: with axes, a chart fits on a phone of 360 pixels."""

COLOURS = {ACCEPTED: "#4a90c2", REJECTED: "#e69f00", FAILED: "#b0568c"}
"""Blue, orange and purple, which the colour-blind tell apart (after Okabe and Ito)."""

INK = "currentColor"
"""The text colour of the page: charts are readable on a light and on a dark one."""

MARGIN = {"left": 24, "right": 8, "top": 4, "bottom": 4}
"""Pixels around a chart: the browser's fonts may be wider than those it was measured with."""

MAX_TICKS = 6
"""Ticks of an axis of counts, about."""

ROW = 22
"""Pixels of a row of bars or cells."""

Rows = Sequence[Mapping[str, Any]]


def stacked_bars(rows: Rows, order: Sequence[str]) -> str:
    """Requests of each target by status.

    Args:
        rows: `target`, `status` and `count`.
        order: the targets from top to bottom.
    """
    import altair as alt

    statuses = list(COLOURS)
    chart = (
        _chart(_ranked(rows, statuses))
        .mark_bar()
        .encode(
            y=alt.Y("target:N", sort=list(order), title=None),
            x=alt.X("count:Q", title="requests", axis=_whole_ticks(rows, "target")),
            color=alt.Color(
                "status:N",
                scale=alt.Scale(domain=statuses, range=list(COLOURS.values())),
                legend=alt.Legend(orient="bottom", title=None),
            ),
            order=alt.Order("rank:Q"),
        )
    )
    return _svg(chart.properties(height=ROW * max(1, len(order))))


def heatmap(rows: Rows, order: Sequence[str], titles: tuple[str, str]) -> str:
    """Shares in a square of emotions, each written into its cell.

    Args:
        rows: `line`, `column` and `percent`, a whole number.
        order: the emotions.
        titles: of the lines and of the columns.
    """
    import altair as alt

    labelled = [{**row, "label": f"{row['percent']}%" if row["percent"] else ""} for row in rows]
    base = _chart(labelled).encode(
        y=alt.Y(
            "line:N",
            sort=list(order),
            title=titles[0],
            scale=alt.Scale(domain=list(order)),
            axis=alt.Axis(grid=False),
        ),
        x=alt.X(
            "column:N",
            sort=list(order),
            title=titles[1],
            scale=alt.Scale(domain=list(order)),
            axis=alt.Axis(labelAngle=-45, grid=False),
        ),
    )
    cells = base.mark_rect().encode(
        color=alt.Color(
            "percent:Q", scale=alt.Scale(scheme="cividis", domain=[0, 100]), legend=None
        )
    )
    on_dark = alt.condition("datum.percent > 50", alt.value("#111111"), alt.value("#ffffff"))
    text = base.mark_text(fontSize=9).encode(
        text="label:N",
        color=on_dark,
    )
    return _svg((cells + text).properties(width=WIDTH, height=ROW * max(1, len(order))))


def histogram(rows: Rows, title: str) -> str:
    """How a score is distributed, by status.

    Args:
        rows: `low`, `high`, `status` and `count`.
    """
    import altair as alt

    chart = (
        _chart(_ranked(rows, list(COLOURS)))
        .mark_bar(binSpacing=0)
        .encode(
            x=alt.X("low:Q", bin="binned", title=title, axis=alt.Axis(format=".2f", tickCount=5)),
            x2="high:Q",
            y=alt.Y("count:Q", title="samples", stack=True, axis=_whole_ticks(rows, "low")),
            color=alt.Color(
                "status:N",
                scale=alt.Scale(domain=list(COLOURS), range=list(COLOURS.values())),
                legend=None,
            ),
            order=alt.Order("rank:Q"),
        )
    )
    return _svg(chart.properties(height=130))


def bars(rows: Rows, title: str) -> str:
    """A bar for each number.

    Args:
        rows: `name` (as text) and `count`, in the order of the bars.
    """
    import altair as alt

    names = [row["name"] for row in rows]
    chart = (
        _chart(rows)
        .mark_bar(color=COLOURS[ACCEPTED])
        .encode(
            x=alt.X("name:N", sort=names, title=title, axis=alt.Axis(labelAngle=0)),
            y=alt.Y("count:Q", title="requests", axis=_whole_ticks(rows, "name")),
        )
    )
    return _svg(chart.properties(height=130))


def curves(rows: Rows, starts: Rows) -> str:
    """Similarity at each denoising step, a line for each sample, and a dot where guidance began.

    Args:
        rows: `sample`, `step` and `similarity`.
        starts: the same of the dots.
    """
    import altair as alt

    # Whole steps alone have a tick.
    last = max(row["step"] for row in rows)
    ticks = list(range(0, last + 1, max(1, last // 6)))
    x = alt.X("step:Q", title="denoising step", axis=alt.Axis(values=ticks, format="d"))
    y = alt.Y("similarity:Q", title="similarity to the prompt", scale=alt.Scale(zero=False))
    lines = (
        _chart(rows)
        .mark_line(color=COLOURS[ACCEPTED], opacity=0.6, strokeWidth=1.5)
        .encode(x=x, y=y, detail="sample:N")
    )
    # None of the colours of a status.
    dots = _chart(starts).mark_point(color=INK, filled=True, size=28)
    layered = lines + dots.encode(x=x, y=y, detail="sample:N")
    return _svg(layered.properties(width=WIDTH, height=170))


def ranges(rows: Rows, order: Sequence[str], title: str) -> str:
    """The median of a value for each target, and the span of the middle half of the samples.

    Args:
        rows: `target`, `low`, `middle` and `high`.
    """
    import altair as alt

    y = alt.Y("target:N", sort=list(order), title=None)
    span = (
        _chart(rows)
        .mark_rule(color=COLOURS[ACCEPTED], strokeWidth=4, opacity=0.5)
        .encode(y=y, x=alt.X("low:Q", title=title), x2="high:Q")
    )
    dots = _chart(rows).mark_point(color=COLOURS[ACCEPTED], filled=True, size=70)
    layered = span + dots.encode(y=y, x="middle:Q")
    return _svg(layered.properties(width=WIDTH, height=ROW * max(1, len(order))))


def _whole_ticks(rows: Rows, bar: str) -> Any:
    """An axis of counts, with ticks at whole numbers alone.

    Args:
        bar: the field that names the bar in which a count is stacked.
    """
    import altair as alt

    heights = Counter[Any]()
    for row in rows:
        heights[row[bar]] += row["count"]
    top = max(heights.values(), default=1)
    # Larger numbers have whole ticks anyway.
    if top < MAX_TICKS:
        return alt.Axis(format=",d", values=list(range(top + 1)))
    return alt.Axis(format=",d")


def _ranked(rows: Rows, statuses: Sequence[str]) -> list[dict[str, Any]]:
    """The rows with the position of their status, in which bars are stacked."""
    return [{**row, "rank": statuses.index(row["status"])} for row in rows]


def _chart(rows: Rows) -> Any:
    import altair as alt

    return alt.Chart(alt.InlineData(values=[dict(row) for row in rows]), width=WIDTH)


def _svg(chart: Any) -> str:
    import vl_convert

    styled = (
        chart.configure(background="transparent", font="system-ui, sans-serif", padding=MARGIN)
        .configure_view(stroke=None)
        .configure_axis(
            labelColor=INK,
            titleColor=INK,
            tickColor=INK,
            domainColor=INK,
            gridColor=INK,
            gridOpacity=0.12,
            titleFontWeight="normal",
            labelLimit=110,
            # A last label that is moved inward would run into the one before it.
            labelFlush=False,
            titlePadding=14,
        )
        .configure_legend(labelColor=INK, titleColor=INK)
        .configure_text(font="system-ui, sans-serif")
    )
    svg: str = vl_convert.vegalite_to_svg(styled.to_dict())
    # The page describes the chart in words and has its numbers in a table.
    return svg.replace("<svg ", '<svg aria-hidden="true" focusable="false" ', 1)
