"""Accepted or rejected, and why.

Scores are stored with every sample, and a verdict is made of stored scores alone, so that
thresholds can be applied later.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.config import Config
from pipeline.output.rows import RowLayout, target_name

ACCEPTED, REJECTED, FAILED = "accepted", "rejected", "failed"
STATUSES = (ACCEPTED, REJECTED, FAILED)

UNLIKE = {
    "similarity": "unlike its prompt",
    "source_similarity": "unlike its source image",
}
"""What it means that one of these scores is too low."""

BY_HAND = "rejected by hand"
"""Why a sample is rejected that a person flagged."""

EMOTION = "emotion"
"""In `quota_by`: the target of a request makes its cell."""


@dataclass(frozen=True)
class Verdict:
    """How a sample ends, and why; an accepted one has no reason."""

    status: str
    reason: str | None = None


def decide(row: Mapping[str, Any], layout: RowLayout, config: Config) -> Verdict:
    """The verdict on a sample from the scores in its row: the judge first, then the filters.

    A filter that the row has no score of rejects nothing (see `unscored`).
    """
    if row["judge_confidence"] < config.min_confidence:
        return Verdict(REJECTED, _judge_reason(row, layout, config.min_confidence))
    scores = [
        ("similarity", row["similarity"], "min_similarity", config.min_similarity),
        (
            "source_similarity",
            row["source_similarity"],
            "min_source_similarity",
            config.min_source_similarity,
        ),
    ]
    filter_scores = layout.members(row, "scores")
    for name, threshold in sorted(config.filters.items()):
        scores.append((name, filter_scores.get(name), f"filters.{name}", threshold))
    for name, score, setting, threshold in scores:
        # Images that were not edited have no similarity to a source.
        if score is not None and score < threshold:
            measured = f"{name} {_below(score, threshold)} < {setting} {threshold:g}"
            unlike = UNLIKE.get(name)
            return Verdict(REJECTED, f"{unlike}: {measured}" if unlike else measured)
    return Verdict(ACCEPTED)


def _judge_reason(row: Mapping[str, Any], layout: RowLayout, min_confidence: float) -> str:
    strongest = row["judge_emotion"]
    confidence = _below(row["judge_confidence"], min_confidence)
    reason = (
        f"judge confirms {target_name(row)} at {confidence} < min_confidence {min_confidence:g}"
    )
    if strongest == row["emotion"]:
        return f"{reason}, though it finds no other emotion stronger"
    probability = row[layout.column("judge", strongest)]
    return f"{reason}; it finds {strongest} strongest, at {probability:.2f}"


def _below(score: float, threshold: float) -> str:
    """The score with two decimals, or with all if two would hide that it is below the threshold."""
    short = f"{score:.2f}"
    return short if float(short) < threshold else f"{score:g}"


def unscored(row: Mapping[str, Any], layout: RowLayout, config: Config) -> list[str]:
    """The filters that a sample has no score of: it was merged from a corpus made without them."""
    scores = layout.members(row, "scores")
    return [name for name in sorted(config.filters) if scores.get(name) is None]


class Quota:
    """How many accepted samples each cell has so far, in the order of the plan.

    Args:
        max_accepted: samples that a cell may have.
        by: what makes a cell: `emotion`, or a further column of the manifest.
        earlier: the cells of the samples that were accepted before.
    """

    def __init__(self, max_accepted: int, by: str, earlier: Iterable[str] = ()):
        self.max_accepted, self.by = max_accepted, by
        self.counts: Counter[str] = Counter(earlier)

    def add(self, cell: str) -> None:
        """Count an accepted sample."""
        self.counts[cell] += 1

    def reason(self, cell: str) -> str:
        """Why another sample of this cell is rejected; empty while there is room."""
        if self.counts[cell] < self.max_accepted:
            return ""
        return f"quota: {self.by} {cell} has its {self.max_accepted} accepted before"


@dataclass(frozen=True)
class Cells:
    """What a quota counts by.

    Attributes:
        by: `emotion`, or a further column of the manifest.
        columns: the columns of the rows that make a cell.
    """

    by: str
    columns: tuple[str, ...]

    def cell(self, row: Mapping[str, Any]) -> str:
        """The cell of a row. A mixture is a cell of its own, none of its members'."""
        if self.by == EMOTION:
            return target_name(row)
        # What looks the same is the same, whichever way its accents are encoded.
        return unicodedata.normalize("NFC", str(row[self.columns[0]]))


def cells_of(config: Config, layout: RowLayout) -> Cells | None:
    """What the quota of a run counts by; None without a quota."""
    if not config.quota:
        return None
    if config.quota_by == EMOTION:
        return Cells(EMOTION, (EMOTION, "mixture"))
    return Cells(config.quota_by, (layout.column("manifest", config.quota_by),))
