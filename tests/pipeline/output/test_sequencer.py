"""The sequencer against the plain rules, for any cut of the plan into batches and restarts."""

import random

import pytest

from pipeline.generation.verdicts import Quota
from pipeline.output.markers import Cursor
from pipeline.output.near_duplicates import NearDuplicates
from pipeline.output.sequencer import Rejection, RequestSummary, Sequencer, is_full, max_requests

STATUS = {"a": "accepted", "r": "rejected", "f": "failed"}


def requests_of(letters: str, cells: str = "", hashes: list[str] | None = None):
    """A request for each letter: accepted, rejected or failed."""
    summaries = []
    for number, letter in enumerate(letters):
        phash = hashes[number] if hashes else None
        cell = cells[number] if cells else ""
        summaries.append(RequestSummary(f"{number:012d}", STATUS[letter], cell, phash))
    return summaries


def sequenced(requests, batch_size: int, sequencer: Sequencer):
    """All shards, the last one too."""
    specs = []
    for start in range(0, len(requests), batch_size):
        specs += sequencer.take(requests[start : start + batch_size])
    last = sequencer.finish()
    return [*specs, *([last] if last else [])]


def numbers(spec, batch_size: int) -> range:
    """The requests of a shard, by their numbers in the plan."""
    first, last = spec.first, spec.next
    return range(first.batch * batch_size + first.offset, last.batch * batch_size + last.offset)


@pytest.mark.parametrize("batch_size", [1, 2, 3, 7, 50])
def test_shards_are_full_and_hold_every_request_once(batch_size):
    letters = "arraafarraaraaarrfaaararrr"
    specs = sequenced(requests_of(letters), batch_size, Sequencer(4))
    assert [spec.number for spec in specs] == [0, 1, 2, 3]
    # The last shard has the trailing requests; the batch after the last is its end.
    covered = [number for spec in specs for number in numbers(spec, batch_size)]
    assert covered[: len(letters)] == [*range(len(letters))]
    texts = ["".join(letters[n] for n in numbers(s, batch_size) if n < len(letters)) for s in specs]
    assert [text.count("a") for text in texts] == [4, 4, 4, 1]
    assert all(text.startswith("a") for text in texts)


def test_a_shard_closes_when_it_has_as_many_requests_as_it_may_have():
    letters = "a" + "r" * (2 * max_requests(2) + 5)
    specs = sequenced(requests_of(letters), 1, Sequencer(2))
    assert [len(numbers(spec, 1)) for spec in specs] == [max_requests(2), max_requests(2), 6]
    assert is_full(1, max_requests(2), 2)
    assert is_full(2, 5, 2)
    assert not is_full(1, 5, 2)


def test_nothing_makes_no_shard():
    assert Sequencer(4).finish() is None


def test_a_full_cell_rejects_all_its_later_requests_however_they_ended():
    requests = requests_of("aaraf", "xxxyx")
    (spec,) = sequenced(requests, 2, Sequencer(4, quota=Quota(2, "mood")))
    reason = "quota: mood x has its 2 accepted before"
    expected = {requests[n].key: Rejection(reason, is_quota=True) for n in (2, 4)}
    assert spec.rejections == expected


def test_requests_ahead_are_rejected_only_if_all_their_cells_are_full():
    sequencer = Sequencer(4, quota=Quota(1, "mood"))
    sequencer.take(requests_of("a", "x"))
    assert sequencer.quota_reasons(["x", "y"]) == []
    assert sequencer.quota_reasons(["x", "x"]) == ["quota: mood x has its 1 accepted before"] * 2
    assert Sequencer(4).quota_reasons(["x"]) == []


def test_a_near_duplicate_neither_counts_nor_fills_a_cell():
    """The second is near the first. So is the fourth, but the third one was never accepted."""
    hashes = ["0" * 16, "0" * 15 + "1", "f" * 16, "f" * 15 + "e"]
    requests = requests_of("aara", "xxxx", hashes)
    sequencer = Sequencer(4, quota=Quota(2, "mood"), near_duplicates=NearDuplicates(1))
    (spec,) = sequenced(requests, 4, sequencer)
    reason = "near-duplicate of 000000000000: 1 of 64 bits apart, 1 allowed"
    assert spec.rejections == {requests[1].key: Rejection(reason, is_quota=False)}
    assert sequencer.quota is not None
    assert sequencer.quota.counts == {"x": 2}


@pytest.mark.parametrize("seed", range(5))
def test_a_sequencer_that_goes_on_behind_a_shard_closes_the_same_ones(seed):
    """Seeded: 300 requests in batches of 7; a restart after each shard, as a resume makes it."""
    rng = random.Random(seed)
    letters = "".join(rng.choices("arf", [5, 4, 1], k=300))
    cells = "".join(rng.choices("xyz", k=300))
    requests = requests_of(letters, cells)
    whole = sequenced(requests, 7, Sequencer(5, quota=Quota(30, "mood")))
    for position, spec in enumerate(whole[:-1]):
        accepted = [
            request.cell
            for request in requests[: spec.next.batch * 7 + spec.next.offset]
            if request.status == "accepted"
            and not any(request.key in earlier.rejections for earlier in whole[: position + 1])
        ]
        again = Sequencer(5, position + 1, spec.next, Quota(30, "mood", accepted))
        assert sequenced(requests[spec.next.batch * 7 :], 7, again) == whole[position + 1 :]


def test_the_first_shard_begins_with_the_plan():
    assert sequenced(requests_of("a"), 1, Sequencer(1))[0].first == Cursor()
