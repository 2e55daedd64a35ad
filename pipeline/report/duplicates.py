"""Accepted samples that look almost the same, by their perceptual hashes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

DISTANCE = 4
"""Bits of 64 by which the hashes of near-duplicates differ at most."""


def nearest_pairs(hashes: Sequence[str], most: int) -> tuple[int, list[tuple[int, int, int]]]:
    """How many samples have a near-duplicate among these, and the nearest pairs.

    Args:
        hashes: 64 bits each, in hex.
        most: pairs that are returned.

    Returns:
        The number of samples, and pairs as two indices and the bits between them; no sample is in
        two pairs.
    """
    values = np.array([int(text, 16) for text in hashes], dtype=np.uint64)
    pairs: list[tuple[int, int, int]] = []
    has_twin = np.zeros(len(values), dtype=bool)
    for i, value in enumerate(values):
        bits = np.bitwise_count(values[i + 1 :] ^ value)
        near = np.flatnonzero(bits <= DISTANCE)
        if near.size:
            has_twin[i] = True
            has_twin[near + i + 1] = True
            # The nearest one is enough to be shown.
            nearest = int(near[np.argmin(bits[near])])
            pairs.append((int(bits[nearest]), i, i + 1 + nearest))
    shown: list[tuple[int, int, int]] = []
    used: set[int] = set()
    for distance, i, j in sorted(pairs):
        if len(shown) < most and not used & {i, j}:
            shown.append((i, j, distance))
            used |= {i, j}
    return int(has_twin.sum()), shown
