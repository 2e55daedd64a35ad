"""Why requests ended as they did: grouped by reason, with the manifest's rows."""

import json

import pyarrow as pa
import pytest

from pipeline.index import reasons
from pipeline.index.reasons import ReasonCounts, cut_prompts_line, reason_lines


def _counted(*records, rows=1):
    """The counts of records (status, reason, tokens cut), so many a row, in shards of three."""
    counting = ReasonCounts()
    for start in range(0, len(records), 3):
        shard = [
            {"key": f"k{start + n}", "status": status, "reason": reason, "row": (start + n) // rows}
            | {"prompt_truncated": cut}
            for n, (status, reason, cut) in enumerate(records[start : start + 3])
        ]
        kinds = {
            "key": pa.string(),
            "status": pa.string(),
            "reason": pa.string(),
            "row": pa.int64(),
        }
        schema = pa.schema(kinds | {"prompt_truncated": pa.int64()})
        counting.add(pa.Table.from_pylist(shard, schema))
    # As it comes back from run.json.
    return json.loads(json.dumps(counting.as_dict()))


def _failed(*texts):
    return _counted(*[("failed", text, None) for text in texts])


def test_reasons_that_differ_in_names_alone_are_one():
    missing = ["image 'a.png' does not exist", "image 'b.png' does not exist"]
    assert list(reason_lines(_failed(missing[0], "the judge gave", missing[1]))) == [
        "2 failed, for example: image 'a.png' does not exist (rows 0, 2)",
        "1 failed: the judge gave (row 1)",
    ]


def test_rejections_are_grouped_by_the_check_that_rejects_and_the_target():
    counted = _counted(
        ("rejected", "judge confirms awe at 0.31 < min_confidence 0.5; it finds fear", 0),
        ("accepted", None, 0),
        ("rejected", "unlike its prompt: similarity 0.01 < min_similarity 0.2", 0),
        ("rejected", "judge confirms fear at 0.11 < min_confidence 0.5; it finds awe", 0),
        ("failed", "no", None),
        ("rejected", "judge confirms awe at 0.2 < min_confidence 0.5; it finds anger", 0),
        ("rejected", "quota: emotion fear has its 5 accepted before", 0),
    )
    assert list(reason_lines(counted)) == [
        "1 failed: no (row 4)",
        "2 rejected, for example: judge confirms awe at 0.31 < min_confidence 0.5; it finds fear "
        "(rows 0, 5)",
        "1 rejected: unlike its prompt: similarity 0.01 < min_similarity 0.2 (row 2)",
        "1 rejected: judge confirms fear at 0.11 < min_confidence 0.5; it finds awe (row 3)",
        "1 rejected: quota: emotion fear has its 5 accepted before (row 6)",
    ]


def test_many_rows_and_many_reasons_are_cut_and_counted(monkeypatch):
    (line,) = reason_lines(_failed(*["no"] * 30))
    assert line == "30 failed: no (rows 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, ...)"
    (line,) = reason_lines(_failed(*["no"] * 10))
    assert line == "10 failed: no (rows 0, 1, 2, 3, 4, 5, 6, 7, 8, 9)"
    letters = [chr(97 + n) for n in range(13)]
    lines = list(reason_lines(_failed(*letters)))
    assert len(lines) == 11
    assert lines[-1] == "3 more failed, for other reasons"
    monkeypatch.setattr(reasons, "MAX_KNOWN_REASONS", 2)
    assert list(reason_lines(_failed("a", "b", "c", "d", "d"))) == [
        "3 failed: other reasons (rows 2, 3, 4)",
        "1 failed: a (row 0)",
        "1 failed: b (row 1)",
    ]


def test_rejections_by_hand_are_named_by_their_keys():
    """As the pages name them: a row has other requests that nobody flagged."""
    by_hand = ("rejected", "rejected by hand", 0)
    counted = _counted(("accepted", None, 0), by_hand, by_hand, rows=2)
    assert list(reason_lines(counted)) == ["2 rejected: rejected by hand (keys k1, k2)"]
    (line,) = reason_lines(_counted(*[by_hand] * 12))
    assert line.endswith("k8, k9, ...)")
    # Counts of earlier releases have no keys.
    for group in counted["rejected"]["reasons"]:
        del group["keys"]
    assert list(reason_lines(counted)) == ["2 rejected: rejected by hand (rows 0, 1)"]


@pytest.mark.parametrize("records", [[], [("accepted", None, 0)], [("accepted", None, None)]])
def test_nothing_to_tell(records):
    counted = _counted(*records)
    assert list(reason_lines(counted)) == []
    assert cut_prompts_line(counted) is None


def test_cut_prompts_are_counted_whatever_became_of_them():
    counted = _counted(("accepted", None, 3), ("rejected", "judge", 7), ("accepted", None, 0))
    line = cut_prompts_line(counted)
    assert "2 request(s) had a longer prompt" in line
    assert "up to 7 tokens were cut off, as column `prompt_truncated` shows (rows 0, 1)" in line
