"""Near-duplicates among accepted samples, found by their perceptual hashes."""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from itertools import combinations

import numpy as np

from pipeline.planning.plan import KEY_DIGITS

BANDS = ((0, 21), (21, 21), (42, 22))
"""First bit and number of bits of each part of a hash that is indexed."""

MAX_RADIUS = 2
"""Bits of a band that a lookup may flip: 254 lookups. Beyond, reading all hashes is faster."""

MIN_INDEXED = 4096
"""Samples below which reading all hashes is faster than lookups."""


class NearDuplicates:
    """The accepted samples so far, by their perceptual hashes.

    Two hashes that differ in at most d of 64 bits differ in at most d/3 bits of one of three bands
    (multi-index hashing, arXiv 1307.2982). So it is enough to compare with the samples that have
    such a band in common: a few hundred of ten million.

    Args:
        distance: bits of 64 by which the hashes of near-duplicates differ at most.
        earlier: key and hash of the samples that were accepted before.
    """

    def __init__(self, distance: int, earlier: Iterable[tuple[str, str]] = ()):
        self.distance = distance
        self.keys, self.hashes = array("Q"), array("Q")
        self.radius = distance // len(BANDS)
        self.index: list[_Band] | None = None
        for key, phash in earlier:
            self.add(key, phash)

    def add(self, key: str, phash: str) -> None:
        """Note an accepted sample."""
        self.keys.append(int(key))
        self.hashes.append(int(phash, 16))
        if self.index is not None:
            for band in self.index:
                band.add(self.hashes[-1])
        elif self.radius <= MAX_RADIUS and len(self.hashes) == MIN_INDEXED:
            self.index = [_Band(*bits, self.radius, self.hashes) for bits in BANDS]

    def reason(self, phash: str) -> str:
        """Why a sample with this hash is rejected; empty if no earlier one is near."""
        value = int(phash, 16)
        first = self._scan(value) if self.index is None else self._look_up(value, self.index)
        if first is None:
            return ""
        distance = (self.hashes[first] ^ value).bit_count()
        return (
            f"near-duplicate of {self.keys[first]:0{KEY_DIGITS}d}: {distance} of 64 bits apart, "
            f"{self.distance} allowed"
        )

    def _scan(self, value: int) -> int | None:
        """The first near sample, found by comparing with all."""
        differing = np.frombuffer(self.hashes, np.uint64) ^ np.uint64(value)
        near = np.flatnonzero(np.bitwise_count(differing) <= self.distance)
        return int(near[0]) if near.size else None

    def _look_up(self, value: int, index: list[_Band]) -> int | None:
        """The first near sample, found by its bands."""
        first: int | None = None
        for band in index:
            for number in band.candidates(value):
                is_near = (self.hashes[number] ^ value).bit_count() <= self.distance
                if is_near and (first is None or number < first):
                    first = number
        return first


class _Band:
    """The samples by one band of their hashes: chains in arrays, 4 bytes a sample and bucket."""

    def __init__(self, first_bit: int, bits: int, radius: int, hashes: Iterable[int]):
        self.first_bit, self.mask = first_bit, (1 << bits) - 1
        self.heads = array("i", [-1]) * (1 << bits)
        self.before = array("i")
        self.flips = [0]
        for flipped in range(1, radius + 1):
            for places in combinations(range(bits), flipped):
                self.flips.append(sum(1 << place for place in places))
        for value in hashes:
            self.add(value)

    def add(self, value: int) -> None:
        """Add the next sample to its bucket."""
        bucket = value >> self.first_bit & self.mask
        self.before.append(self.heads[bucket])
        self.heads[bucket] = len(self.before) - 1

    def candidates(self, value: int) -> Iterable[int]:
        """The samples whose band differs from that of `value` in at most `radius` bits."""
        bucket = value >> self.first_bit & self.mask
        for flip in self.flips:
            number = self.heads[bucket ^ flip]
            while number >= 0:
                yield number
                number = self.before[number]
