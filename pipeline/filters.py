"""Filters: a score, a threshold, and the reason for a refusal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from muse.emotions import Target

ACCEPTED, REJECTED, FAILED = "accepted", "rejected", "failed"
STATUSES = (ACCEPTED, REJECTED, FAILED)


@dataclass(frozen=True)
class Verdict:
    """How a finished sample ends, and why (empty for an accepted one)."""

    status: str
    reason: str
    confidence: float


def judge(target: Target, probabilities: Sequence[float], least: float) -> Verdict:
    """Accept a sample if the judge's confidence in its target reaches `least`."""
    confidence = target.confidence(probabilities)
    if confidence >= least:
        return Verdict(ACCEPTED, "", confidence)
    top = max(range(len(probabilities)), key=lambda i: probabilities[i])
    seen = f"{target.taxonomy.labels[top]} {probabilities[top]:.2f}"
    return Verdict(REJECTED, f"judge's confidence {confidence:.2f} < {least:g}; it sees {seen}", confidence)
