"""Near-duplicates by perceptual hash, against a comparison of all pairs."""

import random
from itertools import combinations

from pipeline.report.duplicates import DISTANCE, nearest_pairs


def test_every_sample_with_a_twin_is_counted():
    chance = random.Random(0)
    values = [chance.getrandbits(64) for _ in range(60)]
    values += [values[number] ^ (1 << number) for number in range(10)]
    hashes = [f"{value:016x}" for value in values]
    near = [
        (i, j)
        for i, j in combinations(range(len(values)), 2)
        if (values[i] ^ values[j]).bit_count() <= DISTANCE
    ]
    count, pairs = nearest_pairs(hashes, 5)
    assert count == len({number for pair in near for number in pair}) == 20
    assert len(pairs) == 5
    assert {pair[:2] for pair in pairs} <= set(near)


def test_no_sample_is_shown_in_two_pairs():
    count, pairs = nearest_pairs(["0" * 16] * 5, 10)
    assert count == 5
    shown = [number for one, other, _ in pairs for number in (one, other)]
    assert len(shown) == len(set(shown)) > 0


def test_without_samples_there_are_none():
    assert nearest_pairs([], 3) == (0, [])
