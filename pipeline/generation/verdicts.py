"""Accepted or rejected, and why.

Scores are stored with every sample, and a verdict is made of stored scores alone, so that
thresholds can be applied later.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.config import Config

ACCEPTED, REJECTED, FAILED = "accepted", "rejected", "failed"
STATUSES = (ACCEPTED, REJECTED, FAILED)


@dataclass(frozen=True)
class Verdict:
    """How a sample ends, and why; an accepted one has no reason."""

    status: str
    reason: str | None = None


def judge(
    confidence: float, probabilities: Sequence[float], labels: Sequence[str], min_confidence: float
) -> Verdict:
    """Accept a sample if the judge's confidence in its target is at least `min_confidence`.

    Args:
        probabilities: of the judge, in the order of `labels`.
    """
    if confidence >= min_confidence:
        return Verdict(ACCEPTED)
    strongest = max(range(len(probabilities)), key=lambda i: probabilities[i])
    sees = f"{labels[strongest]} {probabilities[strongest]:.2f}"
    reason = f"judge's confidence {confidence:.2f} < {min_confidence:g}; it sees {sees}"
    return Verdict(REJECTED, reason)


def decide(record: Mapping[str, Any], config: Config) -> Verdict:
    """The verdict on a sample from the scores in its record: the judge first, then the filters.

    A filter that the record has no score of rejects nothing (see `unscored`).
    """
    verdict = judge(
        record["judge_confidence"], record["judge"], config.taxonomy.labels, config.min_confidence
    )
    if verdict.status == REJECTED:
        return verdict
    scores = [("image-text similarity", record["similarity"], config.min_similarity)]
    for name in sorted({*config.filters} - {*unscored(record, config)}):
        scores.append((name, record["scores"][name], config.filters[name]))
    for name, score, threshold in scores:
        if score < threshold:
            return Verdict(REJECTED, f"{name} {score:.2f} < {threshold:g}")
    return verdict


def unscored(record: Mapping[str, Any], config: Config) -> list[str]:
    """The filters that a sample has no score of: it was merged from a corpus made without them."""
    scores = record.get("scores") or {}
    return [name for name in sorted(config.filters) if scores.get(name) is None]


class NearDuplicates:
    """The accepted samples so far, by their perceptual hashes.

    Args:
        distance: bits of 64 by which the hashes of near-duplicates differ at most.
        earlier: key and hash of the samples that were accepted before.
    """

    def __init__(self, distance: int, earlier: Iterable[tuple[str, str]] = ()):
        self.distance = distance
        self.keys: list[str] = []
        self.hashes = np.empty(1024, np.uint64)
        for key, phash in earlier:
            self.add(key, phash)

    def add(self, key: str, phash: str) -> None:
        if len(self.keys) == len(self.hashes):
            self.hashes = np.concatenate([self.hashes, np.empty_like(self.hashes)])
        self.hashes[len(self.keys)] = int(phash, 16)
        self.keys.append(key)

    def reason(self, phash: str) -> str:
        """Why a sample with this hash is rejected; empty if no earlier one is near."""
        distances = np.bitwise_count(self.hashes[: len(self.keys)] ^ np.uint64(int(phash, 16)))
        near = np.flatnonzero(distances <= self.distance)
        if not near.size:
            return ""
        first = near[0]
        return (
            f"near-duplicate of {self.keys[first]}: {distances[first]} of 64 bits apart, "
            f"{self.distance} allowed"
        )


class Quota:
    """How many accepted samples each cell has so far, in the order of the plan.

    Args:
        max_accepted: samples that a cell may have.
        by: what makes a cell: `emotion`, or a further column of the manifest.
        earlier: the records of the samples that were accepted before.
    """

    def __init__(self, max_accepted: int, by: str, earlier: Iterable[Mapping[str, Any]] = ()):
        self.max_accepted, self.by = max_accepted, by
        self.counts: Counter[str] = Counter(self.cell(record) for record in earlier)

    def cell(self, record: Mapping[str, Any]) -> str:
        return str(record["emotion"] if self.by == "emotion" else record["manifest"][self.by])

    def add(self, record: Mapping[str, Any]) -> None:
        self.counts[self.cell(record)] += 1

    def reason(self, record: Mapping[str, Any]) -> str:
        """Why another sample of this cell is rejected; empty while there is room."""
        cell = self.cell(record)
        if self.counts[cell] < self.max_accepted:
            return ""
        return f"quota: {self.by} {cell} has its {self.max_accepted} accepted before"
