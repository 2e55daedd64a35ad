"""Means with bootstrap intervals."""

from __future__ import annotations

from typing import Any

import numpy as np

RESAMPLES = 2000


def summary(estimate: float, resampled: np.ndarray, n: int) -> dict[str, Any]:
    """`estimate` with the 95 % interval of its resampled values."""
    low, high = np.quantile(resampled, [0.025, 0.975])
    return {
        "mean": round(float(estimate), 4),
        "low": round(float(low), 4),
        "high": round(float(high), 4),
        "n": n,
    }


def interval(values: np.ndarray) -> dict[str, Any]:
    """Mean with its bootstrap 95 % interval, with a fixed seed."""
    means = np.random.default_rng(0).choice(values, (RESAMPLES, len(values))).mean(1)
    return summary(values.mean(), means, len(values))


def pair_interval(distances: np.ndarray, together: np.ndarray) -> dict[str, Any]:
    """Mean of `distances` (n, n) over the pairs i < j with `together` (n, n), with its interval.

    Images are resampled, not pairs: pairs that share an image are not independent, and resampling
    them would halve the interval.
    """
    mask = together & ~np.eye(len(distances), dtype=bool)
    uniform = np.full(len(mask), 1 / len(mask))
    # How often each image is in a resample, (RESAMPLES, n).
    draws = np.random.default_rng(0).multinomial(len(mask), uniform, RESAMPLES).astype(float)
    counts = ((draws @ mask) * draws).sum(1)
    totals = ((draws @ (distances * mask)) * draws).sum(1)
    means = totals[counts > 0] / counts[counts > 0]
    return summary(distances[mask].mean(), means, int(mask.sum()) // 2)
