"""Samples are counted by status, task and target, in memory that many mixtures do not add to."""

import pyarrow as pa
import pytest

from pipeline.index import counts
from pipeline.index.counts import SampleCounts
from pipeline.output.run.run_file import read_run

MIXED = [
    {"prompt": "a dog", "emotion": {"awe": 0.5, "fear": 0.5}},
    {"prompt": "a cat", "emotion": {"awe": 1.0, "fear": None}},
    {"prompt": "a boat", "emotion": {"awe": 0.25, "fear": 0.75}},
    {"prompt": "a bird", "emotion": {"awe": 0.5, "fear": 0.5}},
]


def records(*targets, status="accepted") -> pa.Table:
    """Records of these emotions, or of mixtures where there is a plus in the name."""
    rows = [
        {
            "status": status,
            "task": "generate",
            "emotion": None if "+" in target else target,
            "mixture": target if "+" in target else None,
        }
        for target in targets
    ]
    return pa.Table.from_pylist(rows)


def test_a_mixture_is_counted_for_none_of_its_members(make_corpus):
    counted = read_run(make_corpus(rows=MIXED, min_confidence=0.0)).counts
    assert counted["emotions"] == {"awe": {"requests": 1, "accepted": 1}}
    assert counted["mixtures"] == {
        "awe 0.5 + fear 0.5": {"requests": 2, "accepted": 2},
        "fear 0.75 + awe 0.25": {"requests": 1, "accepted": 1},
    }


def test_the_counts_of_several_shards_add_up():
    counting = SampleCounts()
    counting.add(records("awe", "fear", "a + f"))
    counting.add(records("fear", "fear", status="rejected"))
    counted = counting.as_dict(["fear", "sadness", "awe"])
    assert counted["requests"] == 5
    assert (counted["accepted"], counted["rejected"], counted["failed"]) == (3, 2, 0)
    assert list(counted["emotions"]) == ["fear", "awe"]
    assert counted["emotions"]["fear"] == {"requests": 3, "accepted": 1}


@pytest.mark.parametrize(
    ("limit", "named"), [("MAX_MIXTURES", "b + c"), ("MAX_KNOWN_MIXTURES", "a + b")]
)
def test_of_many_mixtures_some_are_counted_together(monkeypatch, limit, named):
    """Beyond the first limit, those that are requested less; beyond the second, those that come
    later, since no more are distinguished."""
    monkeypatch.setattr(counts, limit, 1)
    counting = SampleCounts()
    counting.add(records("a + b", "b + c", "c + d"))
    counting.add(records("b + c", status="rejected"))
    requests = {"a + b": 1, "b + c": 2}[named]
    accepted = 1
    assert counting.as_dict([])["mixtures"] == {
        named: {"requests": requests, "accepted": accepted},
        "other mixtures": {"requests": 4 - requests, "accepted": 3 - accepted},
    }
