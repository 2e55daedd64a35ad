"""What a request that the judge refuses is tried with next: longer from the same noise, or another seed.

The lowest rung lies inside the engine: a row that convinces the guide by its words alone is left alone. Above it a
ladder climbs between trajectories. Which one suits an emotion, the first requests of the plan tell: their refused ones
try either, half of them each; what that cost and how often it won is recorded in run.json, and fixed from then on. So
nothing is thrown away, and the bytes are the same for any number of workers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from muse.emotions import Target, Taxonomy
from muse.method import Method
from pipeline.config import SEEDS
from pipeline.generation.verdicts import ACCEPTED
from pipeline.planning.plan import Batch, PlannedRequest, derive_seed, next_candidate

FIRST, LONGER, AGAIN = "first", "longer", "again"
"""Rungs. `first`: the request's own seed. `longer`: the same noise, with more readings of the guide. `again`: a seed
further."""

WIDE, DEEP = "wide", "deep"
"""Ladders. `wide`: first, again, again, ... `deep`: first, longer, again, longer, ..."""

EXPLORED = 64
"""Requests at the start of the plan from which ladders are chosen: eight for each of eight emotions."""

PRIOR = 4.0
"""Tries with the mean outcome of all emotions that each emotion's own are added to: eight requests are few."""


def following(request: PlannedRequest, first: int, run_seed: int) -> PlannedRequest:
    """The request as it is tried next: with its next seed or, on a rung that is longer, the same one."""
    after = next_candidate(request, first, run_seed)
    return replace(after, seed=request.seed) if is_longer(after) else after


def rung(ladder: str, candidate: int) -> str:
    """What try number `candidate` of a request is."""
    if candidate == 0:
        return FIRST
    return LONGER if ladder == DEEP and candidate % 2 else AGAIN


def is_longer(request: PlannedRequest) -> bool:
    return rung(request.ladder, request.candidate) == LONGER


def longer_method(method: Method) -> Method:
    """The method with twice the readings in a step, in a fifth of the steps more, until a guide doubts half as much."""
    return replace(
        method,
        iterations=min(100, 2 * method.iterations),
        until=min(1.0, method.until + 0.2),
        enough=(1 + method.enough) / 2,
    )


def explores(number: int, size: int) -> bool:
    """Whether batch `number`, of `size` requests as all are, belongs to those that ladders are chosen from."""
    return number * size < EXPLORED


def climbing(
    batch: Batch, effort: str, size: int, ladders: Mapping[str, str], taxonomy: Taxonomy, seed: int
) -> Batch:
    """The batch, each request with its ladder.

    Args:
        size: requests of a batch.
        ladders: the ladder of each emotion, once it is known.
        seed: of the run.
    """
    if effort == SEEDS:
        return batch

    def ladder_of(request: PlannedRequest) -> str:
        if explores(batch.number, size):
            # Not by turns, which might follow the emotions.
            return (WIDE, DEEP)[derive_seed(seed, f"ladder/{request.key}", 0) % 2]
        return ladders[Target.of(request.emotion, taxonomy).members[0]]

    return replace(
        batch,
        requests=tuple(replace(request, ladder=ladder_of(request)) for request in batch.requests),
    )


def choose(records: Iterable[Mapping[str, Any]], taxonomy: Taxonomy) -> dict[str, Any]:
    """The ladder of each emotion, with the figures it was chosen by, as run.json keeps them.

    Compared are the second tries: wins for the forwards that they cost. For an emotion of which no request was
    refused, all emotions' outcome decides; a tie goes to the wide one. The first tries are told beside them.
    """
    tries = {
        emotion: {kind: {"tries": 0, "won": 0, "cost": 0} for kind in (FIRST, LONGER, AGAIN)}
        for emotion in taxonomy.labels
    }
    for record in records:
        for number, (kind, cost) in enumerate(
            zip(record["trace_rungs"][:2], record["trace_costs"][:2], strict=True), 1
        ):
            told = tries[record["emotion"]][kind]
            told["tries"] += 1
            told["won"] += record["status"] == ACCEPTED and record["tried"] == number
            told["cost"] += max(1, cost)  # the null engine's images cost nothing
    everyone = {
        kind: {
            key: sum(told[kind][key] for told in tries.values()) for key in ("tries", "won", "cost")
        }
        for kind in (LONGER, AGAIN)
    }

    def gain(told: Mapping[str, int], kind: str) -> float:
        """Wins for each forward, shrunk toward those of all emotions."""
        pooled = everyone[kind]
        if not pooled["cost"]:
            return 0.0
        share = PRIOR / pooled["tries"]
        return (told["won"] + share * pooled["won"]) / (told["cost"] + share * pooled["cost"])

    ladders = {
        emotion: DEEP if gain(told[LONGER], LONGER) > gain(told[AGAIN], AGAIN) else WIDE
        for emotion, told in tries.items()
    }
    return {"ladders": ladders, "tries": tries}
