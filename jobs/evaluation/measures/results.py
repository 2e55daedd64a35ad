"""What one arm made of one task's cases, with every figure that a report has of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from jobs.evaluation.cases import Case, sources_of
from jobs.evaluation.measures.intervals import figure_of, interval
from jobs.evaluation.measures.metrics import GAPS, Examiners, Values
from muse.emotions import MIKELS
from muse.request import Sample


@dataclass(frozen=True)
class ArmResult:
    """The images of one arm and task as measured: `values` an image, `seconds` for all together."""

    cases: Sequence[Case]
    values: Values
    probs: np.ndarray
    variety: dict[str, Any] | None
    distance: dict[str, Any] | None
    samples: Sequence[Sample]
    seconds: float

    def figures(self) -> dict[str, Any]:
        """Of all cases. `seconds` an image has no interval, since only whole batches are timed."""
        found = _figures(self.values)
        found["seconds"] = {"mean": round(self.seconds / len(self.cases), 4), "n": len(self.cases)}
        together = {"sem_d": self.variety, "kid": self.distance}
        return found | {name: figure for name, figure in together.items() if figure}

    def first(self, count: int) -> ArmResult:
        """The result of the first cases, without the figures of all images together."""
        values = {name: row[:count] for name, row in self.values.items()}
        seconds = self.seconds * min(1.0, count / len(self.cases))
        cases, samples = self.cases[:count], self.samples[:count]
        return ArmResult(cases, values, self.probs[:count], None, None, samples, seconds)


def measure(
    examiners: Examiners,
    cases: Sequence[Case],
    run: tuple[Tensor, list[Sample], float],
    costs: Sequence[float],
) -> ArmResult:
    """Measure the result of `jobs.evaluation.arms.registry.in_batches`.

    Args:
        costs: of each image, in forwards of the network (`jobs.benchmark.cost`).
    """
    pixels, samples, seconds = run
    values = examiners.measure(pixels, cases)
    if cases[0].source is not None:
        values |= examiners.compare(pixels, sources_of(cases), cases)
    values["cost"] = np.array(costs)
    variety, distance = examiners.variety(pixels, cases), examiners.distance(pixels, cases)
    probs = examiners.probs("examiner", pixels)
    return ArmResult(cases, values, probs, variety, distance, samples, seconds)


def split_figures(result: ArmResult, attribute: str, metric: str) -> dict[str, Any]:
    """A metric for each value of an attribute of the cases."""
    kinds = np.array([getattr(case, attribute) for case in result.cases])
    values = result.values[metric]
    return {str(kind): figure_of(values[kinds == kind]) for kind in dict.fromkeys(kinds.tolist())}


def subsets(result: ArmResult) -> dict[str, Values]:
    """The values by the name of their task, those of the hard cases also by themselves."""
    task = result.cases[0].task
    found = {task: result.values}
    if task == "mixtures":
        return found
    hard = np.array([case.hard for case in result.cases])
    if hard.any():
        name_of_hard = "hard_edits" if task == "editing" else "hard"
        found[name_of_hard] = {name: values[hard] for name, values in result.values.items()}
    return found


def by_task(result: ArmResult) -> dict[str, dict[str, Any]]:
    """The figures of an arm by task, those of the hard cases apart."""
    (task, _), *hard = subsets(result).items()
    found = {task: result.figures()}
    for name, values in hard:
        found[name] = _figures(values)
    return found


def _figures(values: Values) -> dict[str, Any]:
    found = {}
    for name, row in values.items():
        # A difference of two shares is none, even where it is 0 or 1 of every image.
        found[name] = interval(row) if name in GAPS else figure_of(row)
    return found


def at_equal_success(curve: Sequence[dict[str, float]], success: float) -> dict[str, float] | None:
    """The figures of a family of settings at the given `success`, by linear interpolation.

    None where the success of all settings is lower, or of all higher.

    Args:
        curve: the means of each setting, weakest first, with `success_examiner`. A setting that
            does not succeed more often than a weaker one is left out.
    """
    rising = [curve[0]]
    for means in curve[1:]:
        if means["success_examiner"] > rising[-1]["success_examiner"]:
            rising.append(means)
    at = [means["success_examiner"] for means in rising]
    if not at[0] <= success <= at[-1]:
        return None
    return {
        name: round(float(np.interp(success, at, [means[name] for means in rising])), 4)
        for name in rising[0]
    }


def confusion(probs: np.ndarray, cases: Sequence[Case]) -> list[list[int]]:
    """Counts [target][strongest emotion], both in the order of `MIKELS.labels`."""
    table = np.zeros((len(MIKELS), len(MIKELS)), int)
    targets = np.array([MIKELS.index(case.emotion) for case in cases])
    np.add.at(table, (targets, probs.argmax(-1)), 1)
    return table.tolist()


def pair_figures(probs: np.ndarray, cases: Sequence[Case]) -> dict[str, np.ndarray]:
    """For two-emotion targets, by the probabilities (n, 8) of a classifier.

    - `mass`: the sum of the pair's probabilities; may exceed 1 with a multi-label classifier.
    - `top3`: 1 where both are among the three strongest.
    """
    members = np.array([[MIKELS.index(case.emotion), MIKELS.index(case.second)] for case in cases])
    rank = (-probs).argsort(-1).argsort(-1)
    return {
        "mass": np.take_along_axis(probs, members, 1).sum(1),
        "top3": (np.take_along_axis(rank, members, 1) < 3).all(1).astype(float),
    }
