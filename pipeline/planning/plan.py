"""The plan of a run: from the rows of a manifest to requests with keys and seeds, and to batches.

Pure: the same manifest and settings give the same plan, on any machine and at any time.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from manifests.read import Manifest
from manifests.schema import Row
from muse.sizes import Size, by_size
from pipeline.config import Config

KEY_DIGITS = 12

GROUPED_BATCHES = 32
"""Batches among which requests are ordered by size, where the manifest gives sizes."""


@dataclass(frozen=True)
class PlannedRequest:
    """One request of the plan.

    Attributes:
        key: unique over the corpus, zero-padded, no dots.
        row: the manifest's row.
        id: the user's id of the row, or None.
        prompt, negative_prompt: as in the manifest.
        emotion: names to weights, summing to 1.
        image: None, a path or URL, or the encoded bytes.
        seed: of the starting noise.
        candidate: 0 for the first try.
        extra: further manifest columns.
        mask: of an edit, where the image may change; as `image`, None for everywhere.
        image_sha256, mask_sha256: of the source image and of the mask as the run first read them,
            as hex; None if it has not yet.
        size: of the image, by the row or the settings; None for the model's own, and for an edit
            one of the aspect of its source image.
    """

    key: str
    row: int
    id: str | None
    prompt: str
    negative_prompt: str | None
    emotion: Mapping[str, float]
    image: str | bytes | None
    seed: int
    candidate: int
    extra: Mapping[str, Any]
    image_sha256: str | None = None
    size: Size | None = None
    mask: str | bytes | None = None
    mask_sha256: str | None = None


@dataclass(frozen=True)
class Batch:
    """Requests that are computed together; the unit of work and of durability."""

    number: int
    requests: tuple[PlannedRequest, ...]


def derive_seed(run_seed: int, key: str, candidate: int) -> int:
    """A seed in [0, 2^63) that depends on nothing but these three."""
    if key.isdecimal():
        # Seeds depend on the number alone, not on how many digits keys are written with.
        key = f"{int(key):09d}"
    digest = hashlib.sha256(f"{run_seed}/{key}/{candidate}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def next_candidate(request: PlannedRequest, first: int, run_seed: int) -> PlannedRequest:
    """The same request with its next seed, derived from the run's; from the row's own seed where it
    has one.

    Args:
        first: the seed of its candidate 0.
    """
    candidate = request.candidate + 1
    root = run_seed if first == derive_seed(run_seed, request.key, 0) else first
    return replace(request, seed=derive_seed(root, request.key, candidate), candidate=candidate)


def plan_requests(
    rows: Iterable[Row], config: Config, first: int = 0, passed: int = 0
) -> Iterator[PlannedRequest]:
    """Requests in the manifest's order, one per emotion of a row. A row's own seed serves all its
    emotions.

    Args:
        first: number of the first request that is given.
        passed: requests of the first of `rows` that come before that one.
    """
    everything = tuple({name: 1.0} for name in config.emotions)
    wanted = ((row, emotion) for row in rows for emotion in row.emotions or everything)
    upto = passed + max(0, config.limit - first) if config.limit else None
    for number, (row, emotion) in enumerate(itertools.islice(wanted, passed, upto), first):
        key = f"{number:0{KEY_DIGITS}d}"
        seed = row.seed if row.seed is not None else derive_seed(config.seed, key, 0)
        yield PlannedRequest(
            key,
            row.number,
            row.id,
            row.prompt,
            row.negative_prompt,
            emotion,
            row.image,
            seed,
            0,
            row.extra,
            size=size_of(row) or config.size,
            mask=row.mask,
        )


def size_of(row: Row) -> Size | None:
    """The size of the images that a row asks for, if it says so."""
    return Size(*row.size) if row.size else None


def planned_requests(manifest: Manifest, config: Config) -> int:
    """How many requests the plan has."""
    return min(manifest.requests, config.limit) if config.limit else manifest.requests


def plan_batches(
    requests: Iterable[PlannedRequest], size: int, first: int = 0, grouped: bool = False
) -> Iterator[Batch]:
    """Requests, `size` at a time, in batches that are numbered from `first`.

    They are consecutive, unless they are grouped: then those of one size follow each other within
    each `GROUPED_BATCHES` batches, so that most batches are of one size. Keys and seeds do not
    depend on that. Requests that are all of one size are consecutive either way.

    Args:
        first: where they are grouped, a multiple of `GROUPED_BATCHES`.
    """
    requests, number = iter(requests), first
    while gathered := list(itertools.islice(requests, size * (GROUPED_BATCHES if grouped else 1))):
        groups = by_size([request.size if grouped else None for request in gathered])
        ordered = [gathered[place] for place in itertools.chain.from_iterable(groups)]
        for start in range(0, len(ordered), size):
            yield Batch(number, tuple(ordered[start : start + size]))
            number += 1
