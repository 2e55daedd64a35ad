"""Filters: a score, a threshold, and the reason for a refusal.

Scores (see `pipeline.generation.scores`) are stored with every sample, and a verdict is made of stored scores alone: thresholds
may be applied late.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pipeline.config import Config

ACCEPTED, REJECTED, FAILED = "accepted", "rejected", "failed"
STATUSES = (ACCEPTED, REJECTED, FAILED)


@dataclass(frozen=True)
class Verdict:
    """How a finished sample ends, and why (empty for an accepted one)."""

    status: str
    reason: str


def judge(
    confidence: float, probabilities: Sequence[float], labels: Sequence[str], least: float
) -> Verdict:
    """Accept a sample if the judge's confidence in its target reaches `least`."""
    if confidence >= least:
        return Verdict(ACCEPTED, "")
    top = max(range(len(probabilities)), key=lambda i: probabilities[i])
    seen = f"{labels[top]} {probabilities[top]:.2f}"
    return Verdict(REJECTED, f"judge's confidence {confidence:.2f} < {least:g}; it sees {seen}")


def decide(record: Mapping[str, Any], config: Config) -> Verdict:
    """The verdict on a drawn sample from the scores in its record: the judge first, then the others.

    A filter that the record has no score of refuses nothing (see `unscored`).
    """
    verdict = judge(
        record["judge_confidence"], record["judge"], config.taxonomy.labels, config.min_confidence
    )
    others = [("image-text similarity", record["similarity"], config.min_similarity)]
    blind = unscored(record, config)
    others += [
        (name, record["scores"][name], config.filters[name])
        for name in sorted({*config.filters} - {*blind})
    ]
    for name, score, least in others:
        if verdict.status == ACCEPTED and score < least:
            verdict = replace(verdict, status=REJECTED, reason=f"{name} {score:.2f} < {least:g}")
    return verdict


def unscored(record: Mapping[str, Any], config: Config) -> list[str]:
    """The filters that a drawn sample has no score of: it came by a merge from a corpus that was made without them."""
    scores = record.get("scores") or {}
    return [name for name in sorted(config.filters) if scores.get(name) is None]


class NearDuplicates:
    """The accepted samples so far, by the hashes of what they look like.

    Args:
        distance: bits of 64 by which a sample may differ from an earlier one and still be its duplicate.
        earlier: key and hash of the samples accepted before.
    """

    def __init__(self, distance: int, earlier: Iterable[tuple[str, str]] = ()):
        self.distance = distance
        self.keys: list[str] = []
        self.codes = np.empty(1024, np.uint64)
        for key, code in earlier:
            self.add(key, code)

    def add(self, key: str, code: str) -> None:
        if len(self.keys) == len(self.codes):
            self.codes = np.concatenate([self.codes, np.empty_like(self.codes)])
        self.codes[len(self.keys)] = int(code, 16)
        self.keys.append(key)

    def reason(self, code: str) -> str:
        """Why a sample with this hash is refused; empty if it is like none before."""
        apart = np.bitwise_count(self.codes[: len(self.keys)] ^ np.uint64(int(code, 16)))
        if not (near := np.flatnonzero(apart <= self.distance)).size:
            return ""
        first = near[0]
        return f"near-duplicate of {self.keys[first]}: {apart[first]} of 64 bits apart, {self.distance} allowed"


class Quota:
    """How many accepted samples each cell has so far, in the order of the plan.

    Args:
        most: that a cell may have.
        by: what makes a cell: `emotion`, or a further column of the manifest.
        earlier: the records of the samples accepted before.
    """

    def __init__(self, most: int, by: str, earlier: Iterable[Mapping[str, Any]] = ()):
        self.most, self.by = most, by
        self.counts: Counter[str] = Counter(self.cell(record) for record in earlier)

    def cell(self, record: Mapping[str, Any]) -> str:
        return str(record["emotion"] if self.by == "emotion" else record["manifest"][self.by])

    def add(self, record: Mapping[str, Any]) -> None:
        self.counts[self.cell(record)] += 1

    def reason(self, record: Mapping[str, Any]) -> str:
        """Why another sample of this cell is not wanted; empty while there is room."""
        if self.counts[self.cell(record)] < self.most:
            return ""
        return f"quota: {self.by} {self.cell(record)} has its {self.most} accepted before"
