"""The cost of one accepted image for most requests of a balanced plan.

Arms draw in rounds: every request without an accepted image is drawn again with its next seed, up
to a number of candidates. An image is accepted by the judge, and if place and subject are found in
it. `rejection` draws with the emotion in the prompt, `direction` with it as a direction in noise
space, `muse` with the method.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from jobs.benchmark.cost import Costs
from jobs.evaluation.arms.models import Models, pixels_of, verdicts
from jobs.evaluation.arms.registry import BATCH, arm_of
from jobs.evaluation.cases import Case
from jobs.evaluation.measures.metrics import Examiners
from muse.method import Method
from pipeline.config import Config
from pipeline.planning.plan import derive_seed

GOAL = 0.9
"""Share of the requests that must have an accepted image."""
MIN_CONFIDENCE = Config().min_confidence
"""The judge's confidence at which an image is accepted: the default of a run."""

Curve = Sequence[Sequence[float]]
"""Points (cost a request, share of requests with an accepted image)."""


@dataclass(frozen=True)
class Candidate:
    """One image of a request.

    Attributes:
        case: index of the request.
        cost: in forwards of the network.
        accepted: by the judge, with its content.
        confirmed: whether the examiner's strongest emotion is the target.
    """

    case: int
    cost: float
    accepted: bool
    confirmed: bool


@dataclass(frozen=True)
class Bench:
    """What all arms draw and measure with."""

    models: Models
    examiners: Examiners
    costs: Costs
    method: Method


@torch.inference_mode()
def _draw(bench: Bench, arm: str, cases: Sequence[tuple[int, Case]]) -> list[Candidate]:
    candidates = []
    for start in range(0, len(cases), BATCH):
        numbers, batch = zip(*cases[start : start + BATCH], strict=True)
        with torch.inference_mode(False):
            samples = arm_of(arm)(bench.models, bench.method, batch)
        pixels = pixels_of(samples)
        figures = bench.examiners.measure(pixels, batch)
        accepted = verdicts(bench.models, batch, pixels).numpy() >= MIN_CONFIDENCE
        accepted &= figures["content"] == 1
        confirmed = figures["success_examiner"]
        for row, (number, sample) in enumerate(zip(numbers, samples, strict=True)):
            cost = bench.costs.of(sample.trace, bench.method)
            candidates.append(Candidate(number, cost, bool(accepted[row]), bool(confirmed[row])))
    return candidates


def draw_until_accepted(
    bench: Bench, arm: str, cases: Sequence[Case], max_candidates: int
) -> list[Candidate]:
    """All candidates, in the order drawn.

    Ends when `GOAL` of all requests and `GOAL` of the hard ones have an accepted image, or after
    `max_candidates` rounds.
    """
    candidates: list[Candidate] = []
    pending = dict(enumerate(cases))
    groups = [{*pending}, {i for i, case in pending.items() if case.hard}]
    for number in range(max_candidates):
        if all(len(group & {*pending}) <= (1 - GOAL) * len(group) for group in groups):
            break
        drawn = []
        for i, case in pending.items():
            # The first candidate has the request's own noise, as in every other arm.
            seed = case.seed if number == 0 else derive_seed(case.seed, arm, number)
            drawn.append((i, replace(case, seed=seed)))
        found = _draw(bench, arm, drawn)
        candidates += found
        for candidate in found:
            if candidate.accepted:
                del pending[candidate.case]
        share = 1 - len(pending) / len(cases)
        progress = f"{share:.0%} of {len(cases)} requests have an accepted image"
        print(f"{arm}: candidate {number + 1}, {progress}", flush=True)
    return candidates


def summary(candidates: Sequence[Candidate], requests: int) -> dict[str, Any]:
    """The curve of accepted share against cost, and the cost at `GOAL` (else in total)."""
    curve, cost, accepted, confirmed = [], 0.0, 0, 0
    cost_at_goal = None
    for candidate in candidates:
        cost += candidate.cost
        accepted += candidate.accepted
        confirmed += candidate.accepted and candidate.confirmed
        curve.append([round(cost / requests, 1), round(accepted / requests, 4)])
        if cost_at_goal is None and accepted >= GOAL * requests:
            cost_at_goal = cost / requests
    return {
        "requests": requests,
        "cost_per_request": round(cost / requests if cost_at_goal is None else cost_at_goal, 1),
        "reached": cost_at_goal is not None,
        "accepted": round(accepted / requests, 4),
        "confirmed": round(confirmed / max(1, accepted), 4),
        "candidates": len(candidates),
        "curve": curve,
    }


def by_emotion(candidates: Sequence[Candidate], cases: Sequence[Case]) -> dict[str, dict[str, Any]]:
    """For the requests of each emotion: total cost, accepted share and curve."""
    report = {}
    for emotion in dict.fromkeys(case.emotion for case in cases):
        own = [candidate for candidate in candidates if cases[candidate.case].emotion == emotion]
        figures = summary(own, sum(case.emotion == emotion for case in cases))
        kept = {name: figures[name] for name in ("requests", "accepted", "curve")}
        report[emotion] = kept | {"cost_per_request": figures["curve"][-1][0]}
    return report


def gain(rejection: Mapping[str, Any], muse: Mapping[str, Any]) -> float | None:
    """Cost of rejection over that of the method, both up to the method's accepted share.

    At most up to `GOAL`. Where rejection stays below that share, its total cost counts, so that the
    ratio is a lower bound. Where the method stays below `GOAL`, its cost after the last accepted
    image does not count. None where the method has no accepted image.
    """
    share = min(GOAL, muse["accepted"])

    def cost(curve: Curve) -> float:
        return next((spent for spent, accepted in curve if accepted >= share), curve[-1][0])

    return cost(rejection["curve"]) / cost(muse["curve"]) if share else None
