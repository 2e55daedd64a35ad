"""Near-duplicates by their hashes: the index finds what the plain rule finds."""

import random

import pytest

from pipeline.output import near_duplicates
from pipeline.output.near_duplicates import NearDuplicates


def some_hashes(count: int, seed: int, flips: int) -> list[int]:
    """Random hashes, a third of them an earlier one with up to `flips` bits flipped."""
    rng, hashes = random.Random(seed), []
    for _ in range(count):
        value = rng.getrandbits(64)
        if hashes and rng.random() < 0.3:
            value = rng.choice(hashes)
            for _ in range(rng.randrange(flips + 1)):
                value ^= 1 << rng.randrange(64)
        hashes.append(value)
    return hashes


@pytest.mark.parametrize("indexed_from", [1, 50, 10_000], ids=["index", "both", "scan"])
@pytest.mark.parametrize("distance", [0, 2, 4, 8, 9, 20])
def test_it_finds_the_first_near_sample_as_the_plain_rule_does(monkeypatch, distance, indexed_from):
    """Seed 1; 300 hashes. From a distance of 9 on, all are compared whatever their number."""
    monkeypatch.setattr(near_duplicates, "MIN_INDEXED", indexed_from)
    found, accepted = NearDuplicates(distance), []
    for number, value in enumerate(some_hashes(300, seed=1, flips=distance + 3)):
        near = [n for n, other in accepted if (other ^ value).bit_count() <= distance]
        reason = found.reason(f"{value:016x}")
        assert reason.startswith(f"near-duplicate of {near[0]:012d}: " if near else "") or not near
        assert bool(reason) == bool(near)
        if not near:
            found.add(f"{number:012d}", f"{value:016x}")
            accepted.append((number, value))
    assert 150 < len(accepted) < 290
    assert (found.index is not None) == (distance < 9 and indexed_from < 10_000)


def test_the_reason_names_the_sample_and_the_distance():
    earlier = [("000000000007", "00000000000000ff"), ("000000000009", "0000000000000000")]
    found = NearDuplicates(3, earlier)
    expected = "near-duplicate of 000000000009: 2 of 64 bits apart, 3 allowed"
    assert found.reason("8000000000000001") == expected
    assert found.reason("f000000000000000") == ""
