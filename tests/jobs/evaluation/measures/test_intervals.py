"""Intervals against values known beforehand."""

import numpy as np
import pytest

from jobs.evaluation.measures.intervals import figure_of, interval, pair_interval


def test_the_interval_of_fair_coins():
    """A mean of 100 has a standard deviation of 0.05, so 95 % are within 0.098. Margin 0.02."""
    found = interval(np.array([0.0, 1.0] * 50))
    assert found["n"] == 100
    assert found["mean"] == 0.5
    assert found["low"] == pytest.approx(0.402, abs=0.02)
    assert found["high"] == pytest.approx(0.598, abs=0.02)
    assert interval(np.array([0.0, 1.0] * 50)) == found
    assert interval(np.full(5, 0.25)) == {"mean": 0.25, "low": 0.25, "high": 0.25, "n": 5}


@pytest.mark.parametrize(
    ("hits", "n", "low", "high"),
    [(0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (1, 1, 0.2065, 1.0), (81, 263, 0.2553, 0.3662)],
)
def test_the_interval_of_a_share_is_wilsons(hits, n, low, high):
    """The last by Newcombe (1998), table I; of none of n the limit is z^2 / (n + z^2)."""
    found = figure_of(np.array([1.0] * hits + [0.0] * (n - hits)))
    assert (found["low"], found["high"]) == pytest.approx((low, high), abs=2e-4)


def test_distances_are_averaged_over_pairs_of_one_group():
    distances = np.array([[0, 1, 9], [1, 0, 9], [9, 9, 0]], float)
    together = np.array([[1, 1, 0], [1, 1, 0], [0, 0, 1]], bool)
    assert pair_interval(distances, together) == {"mean": 1.0, "low": 1.0, "high": 1.0, "n": 1}


def test_the_interval_over_pairs_resamples_images():
    """Points on a line, distance |x - y|, against the spread of 400 samples. Margin a quarter."""
    rng = np.random.default_rng(1)

    def mean_distance(points):
        distances = np.abs(points[:, None] - points)
        return distances, distances[~np.eye(len(points), dtype=bool)].mean()

    truth = np.std([mean_distance(rng.normal(size=40))[1] for _ in range(400)])
    widths = []
    for _ in range(20):
        distances, _ = mean_distance(rng.normal(size=40))
        found = pair_interval(distances, np.ones((40, 40), bool))
        assert found["n"] == 780
        widths.append((found["high"] - found["low"]) / (2 * 1.96))
    assert np.mean(widths) == pytest.approx(truth, rel=0.25)
