"""Means with 95 % intervals."""

from __future__ import annotations

from typing import Any

import numpy as np

RESAMPLES = 2000
Z = 1.96
"""Standard deviations of a normal distribution that 95 % are within."""


def summary(estimate: float, resampled: np.ndarray, n: int) -> dict[str, Any]:
    """`estimate` with the 95 % interval of its resampled values."""
    low, high = np.quantile(resampled, [0.025, 0.975])
    return _figure(estimate, low, high, n)


def _figure(estimate: float, low: float, high: float, n: int) -> dict[str, Any]:
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


def figure_of(values: np.ndarray) -> dict[str, Any]:
    """Mean of a metric of images with its 95 % interval: Wilson's where it is yes or no of each.

    Of a share of 0 or 1 a bootstrap would say that it is certain.
    """
    if np.isin(values, (0, 1)).all():
        return wilson(float(values.mean()), len(values))
    return interval(values)


def wilson(share: float, n: int) -> dict[str, Any]:
    """A share of `n` with its score interval (Wilson 1927, doi:10.1080/01621459.1927.10502953)."""
    middle = (share + Z**2 / (2 * n)) / (1 + Z**2 / n)
    reach = Z * np.sqrt(share * (1 - share) / n + (Z / (2 * n)) ** 2) / (1 + Z**2 / n)
    return _figure(share, max(0.0, middle - reach), min(1.0, middle + reach), n)


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
