"""Which items are made for which emotions: exact counts, even use, the same for the same seed."""

import pytest

from manifests.builder.choice import Entry, choose_all, choose_evenly


def _by_target(counts):
    sums = {}
    for of_item in counts:
        for target, rows in of_item.items():
            sums[target] = sums.get(target, 0) + rows
    return sums


def _by_item(counts):
    return [sum(of_item.values()) for of_item in counts]


def test_all_are_made_in_order_up_to_the_limit():
    entries = [Entry((0, 1)), Entry(()), Entry((1,))]
    assert choose_all(entries, 2, None) == [{0: 2, 1: 2}, {}, {1: 2}]
    assert choose_all(entries, 2, 3) == [{0: 2, 1: 1}, {}, {}]


@pytest.mark.parametrize(("items", "limit"), [(100, 40), (100, 400), (7, 50), (1000, 8)])
def test_a_balanced_choice_uses_targets_and_items_evenly(items, limit):
    counts = choose_evenly([Entry(tuple(range(8)))] * items, 1, limit, True, seed=3)
    assert set(_by_target(counts).values()) == {limit // 8}
    used = _by_item(counts)
    assert max(used) - min(used) <= 1
    assert max(rows for of_item in counts for rows in of_item.values()) == 1


def test_balance_goes_down_to_the_rarest_emotion():
    entries = [Entry((0,))] * 50 + [Entry((1,))] * 7 + [Entry(())]
    counts = choose_evenly(entries, 1, None, True, seed=0)
    assert _by_target(counts) == {0: 7, 1: 7}
    assert _by_target(choose_evenly(entries, 3, None, True, seed=0)) == {0: 21, 1: 21}


@pytest.mark.parametrize("balanced", [False, True])
def test_items_get_their_share_rounded_up_or_down(balanced):
    weights = [0.0, 1.0, 2.0, 4.5, 0.5]
    entries = [Entry((0, 1), weight) for weight in weights]
    counts = choose_evenly(entries, 1, 400, balanced, seed=1)
    # Without a limit there are as many rows as items with a weight have targets.
    assert sum(_by_item(counts)) == 8
    counts = choose_evenly(entries, 100, 400, balanced, seed=1)
    assert _by_target(counts) == {0: 200, 1: 200}
    for weight, of_item in zip(weights, counts, strict=True):
        for target in (0, 1):
            assert abs(of_item.get(target, 0) - 200 * weight / 8) < 1


def test_the_seed_decides_which_items_are_taken():
    entries = [Entry((0,))] * 50
    first = choose_evenly(entries, 1, 10, True, seed=0)
    assert first == choose_evenly(entries, 1, 10, True, seed=0)
    assert first != choose_evenly(entries, 1, 10, True, seed=1)


def test_nothing_to_choose_from_gives_nothing():
    assert choose_evenly([Entry(())], 1, 5, True, seed=0) == [{}]
    assert choose_evenly([Entry((0,), 0.0)], 1, 5, False, seed=0) == [{}]
