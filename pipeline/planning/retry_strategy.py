"""What a rejected request is tried with next: another seed, or the same seed with more guidance.

`reseed` starts every retry from another seed. `refine` spends every other retry on the same noise
with a method that updates more often and for longer. With the setting `retry_strategy = "auto"`
each emotion gets the strategy that costs less for it. That is measured on the first requests of the
plan: half of those use either strategy, and what their retries cost and how many were accepted is
recorded in run.json. From then on the choice is fixed, so the bytes are the same for any number of
workers, and nothing that was made is thrown away.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from muse.emotions import Target, Taxonomy
from muse.method import Method
from pipeline.config import AUTO
from pipeline.generation.verdicts import ACCEPTED
from pipeline.planning.plan import Batch, PlannedRequest, derive_seed, next_candidate

FIRST, RESEED, REFINE = "first", "reseed", "refine"
"""Kinds of attempts. `first`: the request's own seed. `reseed`: another seed. `refine`: the seed of
the attempt before, with the refined method. The latter two also name the strategies: `reseed` is
first, reseed, reseed, ...; `refine` is first, refine, reseed, refine, ..."""

EXPLORED_REQUESTS = 64
"""Requests at the start of the plan from which strategies are chosen: eight for each of eight
emotions."""

PRIOR_ATTEMPTS = 4.0
"""Attempts with the mean outcome of all emotions that are added to each emotion's own, because
eight are few."""


def next_attempt(request: PlannedRequest, first_seed: int, run_seed: int) -> PlannedRequest:
    """The request as it is tried next: with its next seed, or with the same one if that attempt
    refines.

    Args:
        first_seed: the seed of its first attempt.
    """
    following = next_candidate(request, first_seed, run_seed)
    return replace(following, seed=request.seed) if is_refinement(following) else following


def attempt_kind(strategy: str, candidate: int) -> str:
    """What attempt number `candidate` (from 0) of a request is: `FIRST`, `RESEED` or `REFINE`."""
    if candidate == 0:
        return FIRST
    return REFINE if strategy == REFINE and candidate % 2 else RESEED


def is_refinement(request: PlannedRequest) -> bool:
    """Whether the request is tried with `refined_method`."""
    return attempt_kind(request.strategy, request.candidate) == REFINE


def refined_method(method: Method) -> Method:
    """The method with twice the updates a step, over a fifth more of the steps, and half the doubt
    of the guide; fitted tokens, which did not suffice, are updated, too."""
    return method.replace(
        updates="always",
        max_updates_per_step=min(100, 2 * method.max_updates_per_step),
        guidance_end=min(1.0, method.guidance_end + 0.2),
        stop_confidence=(1 + method.stop_confidence) / 2,
    )


def is_exploratory(batch_number: int, batch_size: int) -> bool:
    """Whether a batch belongs to those from which strategies are chosen."""
    return batch_number * batch_size < EXPLORED_REQUESTS


def assign_strategies(
    batch: Batch,
    retry_strategy: str,
    batch_size: int,
    chosen: Mapping[str, str],
    taxonomy: Taxonomy,
    run_seed: int,
) -> Batch:
    """The batch, each request with its strategy.

    Args:
        retry_strategy: the setting.
        batch_size: of the run; the last batch may hold fewer.
        chosen: the strategy of each emotion; may be empty while the batch is exploratory.
    """
    if retry_strategy != AUTO:
        return batch
    exploratory = is_exploratory(batch.number, batch_size)
    requests = []
    for request in batch.requests:
        if exploratory:
            # Drawn, not alternated: emotions may alternate in the manifest, too.
            draw = derive_seed(run_seed, f"retry_strategy/{request.key}", 0)
            strategy = (RESEED, REFINE)[draw % 2]
        else:
            strategy = chosen[Target.of(request.emotion, taxonomy).members[0]]
        requests.append(replace(request, strategy=strategy))
    return replace(batch, requests=tuple(requests))


@dataclass
class AttemptCounts:
    """What attempts of one kind came to: how many there were, how many were accepted, and their
    forward passes."""

    attempts: float = 0
    accepted: float = 0
    nfe: float = 0

    def add(self, other: AttemptCounts, weight: float = 1) -> AttemptCounts:
        """The sum of both, `other` times `weight`."""
        return AttemptCounts(
            self.attempts + weight * other.attempts,
            self.accepted + weight * other.accepted,
            self.nfe + weight * other.nfe,
        )


def choose_strategies(records: Iterable[Mapping[str, Any]], taxonomy: Taxonomy) -> dict[str, Any]:
    """The strategy of each emotion, and the counts it was chosen by, as run.json keeps them.

    Second attempts are compared, by how many are accepted for each forward pass. Where an emotion
    has none, the outcome of all emotions decides; a tie goes to `reseed`. First attempts are
    counted beside them, for information.

    Returns:
        {"by_emotion": {emotion: strategy}, "attempts": {emotion: {kind: {"attempts", "accepted",
        "nfe"}}}}
    """
    kinds = (FIRST, REFINE, RESEED)
    counts = {emotion: {kind: AttemptCounts() for kind in kinds} for emotion in taxonomy.labels}
    for record in records:
        kinds_of_attempts = json.loads(record["trace_strategies"])[:2]
        attempts = zip(kinds_of_attempts, json.loads(record["trace_nfe"])[:2], strict=True)
        for number, (kind, nfe) in enumerate(attempts, 1):
            accepted = record["status"] == ACCEPTED and record["attempts"] == number
            # The images of the null engine take no forward pass.
            attempt = AttemptCounts(1, int(accepted), max(1, nfe))
            of_emotion = counts[_heaviest(record, taxonomy)]
            of_emotion[kind] = of_emotion[kind].add(attempt)

    pooled = {kind: AttemptCounts() for kind in (REFINE, RESEED)}
    for of_emotion in counts.values():
        for kind, total in pooled.items():
            pooled[kind] = total.add(of_emotion[kind])

    def acceptance_rate(emotion: str, kind: str) -> float:
        """Accepted attempts for each forward pass, shrunk toward those of all emotions."""
        if not pooled[kind].attempts:
            return 0.0
        shrunk = counts[emotion][kind].add(pooled[kind], PRIOR_ATTEMPTS / pooled[kind].attempts)
        return shrunk.accepted / shrunk.nfe

    by_emotion = {}
    for emotion in taxonomy.labels:
        refines = acceptance_rate(emotion, REFINE) > acceptance_rate(emotion, RESEED)
        by_emotion[emotion] = REFINE if refines else RESEED
    return {"by_emotion": by_emotion, "attempts": _as_json(counts)}


def _heaviest(record: Mapping[str, Any], taxonomy: Taxonomy) -> str:
    """The target emotion; of a mixture the one with the largest weight, the first of equals."""
    return max(taxonomy.labels, key=lambda label: record[f"target_{label}"])


def _as_json(counts: Mapping[str, Mapping[str, AttemptCounts]]) -> dict[str, Any]:
    """The counts as run.json keeps them."""
    table: dict[str, Any] = {}
    for emotion, by_kind in counts.items():
        table[emotion] = {}
        for kind, count in by_kind.items():
            table[emotion][kind] = {name: int(value) for name, value in vars(count).items()}
    return table
