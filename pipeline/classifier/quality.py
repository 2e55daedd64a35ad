"""How far the figures of a fitted classifier can be trusted, and what a run is warned of."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from muse.classifiers.spec import ClassifierSpec, read_spec

LEVEL = 0.95
"""Of the intervals."""

WIDEST_INTERVAL = 0.2
"""Width of an interval of the accuracy beyond which too few images were held out."""

FEWEST_IMAGES = 20
"""Training images of an emotion, below which it was fitted on too few."""


def exact_interval(successes: int, trials: int, level: float = LEVEL) -> tuple[float, float]:
    """The exact interval of a proportion (Clopper and Pearson, Biometrika 26, 1934).

    Returns:
        The lowest and the highest proportion, in [0, 1], of which so many successes, or more, or
        fewer, are not less likely than half of what `level` leaves.
    """
    half = (1 - level) / 2
    low = _solve(lambda p: _at_least(successes, trials, p) < half) if successes else 0.0
    failures = trials - successes
    high = 1 - _solve(lambda p: _at_least(failures, trials, p) < half) if failures else 1.0
    return low, high


def problems_of(figures: Mapping[str, Any]) -> list[str]:
    """What speaks against relying on a classifier; empty if nothing does.

    Args:
        figures: of `pipeline.classifier.calibration.examine`, with the training images of each
            emotion, if known.
    """
    confusion, labels = figures["confusion"], figures["labels"]
    images = sum(map(sum, confusion))
    correct = sum(confusion[i][i] for i in range(len(labels)))
    low, high = exact_interval(correct, images)
    problems = []
    # Whoever always names the most frequent emotion is right that often.
    frequent = max(range(len(labels)), key=lambda i: sum(confusion[i]))
    chance = sum(confusion[frequent]) / images
    if low <= chance:
        problems.append(
            "it may be no better than guessing: its accuracy is "
            f"{correct / images:.1%} ({low:.1%} to {high:.1%}), and "
            f"always naming {labels[frequent]!r} is right for {chance:.1%}"
        )
    if high - low > WIDEST_INTERVAL:
        problems.append(
            f"it was examined on {images} images only: "
            f"its accuracy is between {low:.1%} and {high:.1%}"
        )
    few = {
        label: count
        for label, count in figures.get("trained_on", {}).items()
        if count < FEWEST_IMAGES
    }
    if few:
        counts = ", ".join(f"{count} of {label}" for label, count in few.items())
        problems.append(f"it was fitted on few images: {counts}")
    return problems


def classifier_warnings(folders: Mapping[str, str | Path]) -> Iterator[str]:
    """A warning for each classifier of a run, or member of an ensemble, whose own figures speak
    against it.

    Args:
        folders: of the classifiers, by role.
    """
    for role, folder in folders.items():
        for spec in _with_members(read_spec(Path(folder))):
            try:
                problems = problems_of(spec.settings["about"]["figures"])
            except (KeyError, TypeError, IndexError, ZeroDivisionError):
                # Not fitted here, or edited since.
                continue
            for problem in problems:
                yield f"--{role} {spec.folder}: {problem}"


def _with_members(spec: ClassifierSpec) -> Iterator[ClassifierSpec]:
    yield spec
    for member, _ in spec.members:
        yield from _with_members(member)


def _at_least(successes: int, trials: int, p: float) -> float:
    """The probability of so many successes or more in independent trials, each of probability `p`
    in (0, 1)."""
    log_factorials = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, trials + 1)))])
    k = np.arange(successes, trials + 1)
    log_ways = log_factorials[trials] - log_factorials[k] - log_factorials[trials - k]
    return float(np.exp(log_ways + k * np.log(p) + (trials - k) * np.log1p(-p)).sum())


def _solve(is_below: Callable[[float], bool]) -> float:
    """Where a monotone condition on [0, 1] ends, by bisection."""
    low, high = 0.0, 1.0
    for _ in range(50):
        middle = (low + high) / 2
        if is_below(middle):
            low = middle
        else:
            high = middle
    return (low + high) / 2
