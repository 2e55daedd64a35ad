"""The page of a report: one HTML file with its style and pictures, and without scripts."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest
from typing import Any

from markupsafe import Markup, escape

from pipeline.output.run.run_file import RunFile
from pipeline.report.cost import Cost
from pipeline.report.figures import Figures
from pipeline.report.findings import Finding
from pipeline.report.sections import Figure, cosine
from pipeline.report.settings_table import SettingRow
from pipeline.report.tiles import Tile


@dataclass(frozen=True)
class Page:
    """All that the template shows.

    Attributes:
        made_at: when the report was made, with its time zone.
        version: of this software.
        output: the place of the run.
        generated, edited: tiles by target.
        mixtures, edited_mixtures: tiles of those.
        rejected, disagreeing, unlike: tiles of rejected samples, of those that the guide confirms
            beyond the judge, and of the accepted edits least like their sources.
        duplicates: pairs of tiles with the bits between them.
        duplicate_count, hashed: samples with a near-duplicate, of those that were compared.
        outcome, confusion, opinion, curve, scores, attempts, starts, pixels: charts.
        reasons: a line for each reason why requests failed or were rejected.
        notes: what could not be read or shown.
        measured: what a trial took, by name; empty for a run.
    """

    made_at: str
    version: str
    output: str
    run: RunFile
    figures: Figures
    findings: Sequence[Finding]
    cost: Cost
    settings: Sequence[SettingRow]
    generated: Mapping[str, Sequence[Tile]]
    edited: Mapping[str, Sequence[Tile]]
    mixtures: Sequence[Tile]
    edited_mixtures: Sequence[Tile]
    rejected: Sequence[Tile]
    keeps_rejected: bool
    disagreeing: Sequence[Tile]
    unlike: Sequence[Tile]
    duplicates: Sequence[tuple[Tile, Tile, int]]
    duplicate_count: int
    hashed: int
    duplicate_distance: int
    outcome: Figure
    confusion: Figure | None
    opinion: Figure | None
    curve: Figure | None
    attempts: Figure | None
    starts: Figure | None
    scores: Sequence[Figure]
    pixels: Sequence[Figure]
    reasons: Sequence[str]
    emoset_note: str
    notes: Sequence[str]
    measured: Mapping[str, str]


def render(page: Page) -> str:
    """The page as HTML. Everything that is not markup of ours is escaped."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("pipeline.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(number=_number, code=_with_code, cosine=cosine)
    fields: dict[str, Any] = vars(page)
    return environment.get_template("report.html.jinja").render(**fields)


def _with_code(text: str) -> Markup:
    """A text of ours in which names stand between backticks, as the page shows it."""
    parts = re.split(r"`([^`]+)`", text)
    # Every second part stood between backticks.
    marked = [Markup("<code>{}</code>").format(part) for part in parts[1::2]]
    plain = [escape(part) for part in parts[::2]]
    return Markup("").join(chain.from_iterable(zip_longest(plain, marked, fillvalue="")))


def _number(value: float) -> str:
    """A count with separators; other numbers with three digits."""
    return f"{value:,}" if isinstance(value, int) else f"{value:,.3g}"
