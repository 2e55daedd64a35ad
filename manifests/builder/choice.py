"""Which items are made for which emotions, and how often: all, the same number each, or weighted.

Pure: the same items and seed give the same choice, on any machine.
"""

from __future__ import annotations

import bisect
import hashlib
import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

Counts = list[dict[int, int]]
"""For each item the number of its rows by target."""


@dataclass(frozen=True)
class Entry:
    """What an item may be made for.

    Attributes:
        targets: numbers of its targets, all different; empty if the item is not used.
        weight: how often it shall occur, relative to others; >= 0.
    """

    targets: tuple[int, ...]
    weight: float = 1.0


def choose_all(entries: Sequence[Entry], replicates: int, limit: int | None) -> Counts:
    """Every item for each of its targets, `replicates` times, up to `limit` rows."""
    left = float("inf") if limit is None else limit
    counts: Counts = []
    for entry in entries:
        of_item: dict[int, int] = {}
        for target in entry.targets:
            rows = int(min(replicates, left))
            left -= rows
            if rows:
                of_item[target] = rows
        counts.append(of_item)
    return counts


def choose_evenly(
    entries: Sequence[Entry], replicates: int, limit: int | None, balanced: bool, seed: int
) -> Counts:
    """As many rows as `choose_all` gives, spread over the items by their weights.

    Within each target, items are drawn by systematic sampling: they stand in a random order, each
    as long as its weight, and equally distant marks fall on them. So an item gets its share of the
    rows, rounded up or down. The marks of different targets are offset against each other, so that
    a limit spreads the rows over all items, too.

    Args:
        balanced: the same number of rows for each target: as many as the rarest can have, or an
            equal part of `limit`.
    """
    members = _members(entries, seed)
    available = {target: len(items) * replicates for target, items in members.items()}
    quotas = _quotas(available, limit, balanced)
    counts: Counts = [{} for _ in entries]
    for rank, target in enumerate(quotas):
        sums = list(itertools.accumulate(entries[item].weight for item in members[target]))
        total, rows = (sums[-1] if sums else 0.0), quotas[target]
        for mark in range(rows if total > 0 else 0):
            position = (mark + (rank + 0.5) / len(quotas)) * total / rows
            place = min(bisect.bisect_right(sums, position), len(sums) - 1)
            of_item = counts[members[target][place]]
            of_item[target] = of_item.get(target, 0) + 1
    return counts


def _members(entries: Sequence[Entry], seed: int) -> dict[int, list[int]]:
    """The items of each target with a weight, in a random order that the seed alone decides."""
    order = sorted(range(len(entries)), key=lambda item: _random(seed, item))
    members: dict[int, list[int]] = {}
    for target in sorted({target for entry in entries for target in entry.targets}):
        members[target] = []
    for item in order:
        for target in entries[item].targets:
            if entries[item].weight > 0:
                members[target].append(item)
    return members


def _quotas(available: Mapping[int, int], limit: int | None, balanced: bool) -> dict[int, int]:
    """The number of rows of each target."""
    total = sum(available.values())
    wanted = total if limit is None else min(limit, total)
    if balanced:
        each = min(available.values(), default=0)
        if limit is not None:
            each = min(each, limit // max(1, len(available)))
        return dict.fromkeys(available, each)
    # In proportion, the remainders to the largest of them.
    shares = {target: wanted * count / max(1, total) for target, count in available.items()}
    quotas = {target: int(share) for target, share in shares.items()}
    missing = wanted - sum(quotas.values())
    ranked = sorted(shares, key=lambda target: quotas[target] - shares[target])
    quotas.update(Counter(quotas) + Counter(ranked[:missing]))
    return quotas


def _random(seed: int, item: int) -> bytes:
    return hashlib.sha256(f"{seed}/{item}".encode()).digest()
