"""What it costs until a balanced plan is satisfied: draw, keep what the judge accepts, draw again for the rest.

`rejection` draws with the emotion in words; `muse` draws with the method. Both go in rounds, each with
the next seed of the request, and stop at `most` candidates a request.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from jobs.benchmark.cost import Costs
from jobs.evaluation.arms import ARMS, BATCH, Models, pixels_of, verdicts
from jobs.evaluation.cases import Case
from jobs.evaluation.metrics import Examiners
from muse.method import Method
from pipeline.config import Config
from pipeline.planning.plan import derive_seed

GOAL = 0.9
"""The share of requests that must hold an accepted image."""
SURE = Config().min_confidence
"""The judge's confidence at which an image is accepted: what a run asks for unless it is told otherwise."""


@dataclass(frozen=True)
class Drawn:
    """One candidate: which request's, what it cost (NFE-eq), whether the judge accepts and the examiner agrees."""

    case: int
    cost: float
    accepted: bool
    agreed: bool


@torch.inference_mode()
def _draw(
    models: Models,
    examiners: Examiners,
    costs: Costs,
    method: Method,
    arm: str,
    cases: Sequence[tuple[int, Case]],
) -> list[Drawn]:
    found = []
    for start in range(0, len(cases), BATCH):
        some = cases[start : start + BATCH]
        with torch.inference_mode(False):
            samples = ARMS[arm](models, method, [case for _, case in some])
        pixels = pixels_of(samples)
        goal = torch.tensor([case.target.weights for _, case in some])
        sure = verdicts(models, [case for _, case in some], pixels) >= SURE
        right = examiners.emotion["examiner"].logits(pixels).argmax(-1) == goal.argmax(-1)
        for (number, _), sample, yes, agreed in zip(
            some, samples, sure.tolist(), right.tolist(), strict=True
        ):
            found.append(Drawn(number, costs.of(sample.trace, method), yes, agreed))
    return found


def satisfy(
    models: Models,
    examiners: Examiners,
    costs: Costs,
    method: Method,
    arm: str,
    cases: Sequence[Case],
    most: int,
) -> list[Drawn]:
    """Every candidate in the order drawn, until `GOAL` of the requests, and of the hard ones, are satisfied, or `most`
    rounds are done."""
    drawn: list[Drawn] = []
    open_ = dict(enumerate(cases))
    groups = [{*open_}, {i for i, case in open_.items() if case.hard}]
    for number in range(most):
        if all(len(group & {*open_}) <= (1 - GOAL) * len(group) for group in groups):
            break
        # The first candidate has the request's own noise, as in every other arm.
        again = [
            (i, case if number == 0 else replace(case, seed=derive_seed(case.seed, arm, number)))
            for i, case in open_.items()
        ]
        found = _draw(models, examiners, costs, method, arm, again)
        drawn += found
        for candidate in found:
            if candidate.accepted:
                del open_[candidate.case]
        done = 1 - len(open_) / len(cases)
        print(
            f"{arm}: candidate {number + 1}, {done:.0%} of {len(cases)} requests satisfied",
            flush=True,
        )
    return drawn


def summary(drawn: Sequence[Drawn], requests: int) -> dict[str, Any]:
    """The curve of satisfied share against cost, and the cost at `GOAL` (of what was spent, if it was not reached)."""
    curve, cost, satisfied, agreed = [], 0.0, 0, 0
    at_goal = None
    for candidate in drawn:
        cost += candidate.cost
        satisfied += candidate.accepted
        agreed += candidate.accepted and candidate.agreed
        curve.append([round(cost / requests, 1), round(satisfied / requests, 4)])
        if at_goal is None and satisfied >= GOAL * requests:
            at_goal = cost / requests
    return {
        "requests": requests,
        "cost_per_request": round(cost / requests if at_goal is None else at_goal, 1),
        "reached": at_goal is not None,
        "satisfied": round(satisfied / requests, 4),
        "examiner_agrees": round(agreed / max(1, satisfied), 4),
        "candidates": len(drawn),
        "curve": curve,
    }


def by_emotion(drawn: Sequence[Drawn], cases: Sequence[Case]) -> dict[str, dict[str, Any]]:
    """All that was spent on the requests of each emotion, how many of them were satisfied by it, and its curve."""
    found = {}
    for emotion in dict.fromkeys(case.emotion for case in cases):
        own = [candidate for candidate in drawn if cases[candidate.case].emotion == emotion]
        told = summary(own, sum(case.emotion == emotion for case in cases))
        kept = {name: told[name] for name in ("requests", "satisfied", "curve")}
        found[emotion] = kept | {"cost_per_request": told["curve"][-1][0]}
    return found


def gain(rejection: Mapping[str, Any], muse: Mapping[str, Any]) -> float | None:
    """Cost of rejection over that of the method, both until the share of requests that the method satisfied.

    Of more than `GOAL` it is `GOAL`. Where rejection satisfied fewer, all that it spent is held against the method: a
    lower bound. Where the method satisfied fewer than `GOAL`, neither is charged for what it tried in vain beyond.
    None where the method satisfied nothing.
    """
    share = min(GOAL, muse["satisfied"])

    def cost(curve: Sequence[Sequence[float]]) -> float:
        return next((spent for spent, satisfied in curve if satisfied >= share), curve[-1][0])

    return cost(rejection["curve"]) / cost(muse["curve"]) if share else None
