"""Rows and the JSON of samples: the same keys in each, every value in a form that readers take."""

import datetime
import json
import math
from dataclasses import replace

import pyarrow as pa
import pytest

from muse.emotions import MIKELS
from pipeline.generation.results import blank_record
from pipeline.output.records import record_schema, to_table
from pipeline.output.rows import json_type, json_value, layout_of
from pipeline.planning.plan import PlannedRequest

EXTRA = pa.schema([("key", pa.string()), ("weights", pa.map_(pa.string(), pa.float64()))])
LAYOUT = layout_of(record_schema(MIKELS.labels, ["safety"], EXTRA))


@pytest.fixture
def record():
    manifest = {"key": "theirs", "weights": [("a", 0.5)]}
    planned = PlannedRequest("1", 0, None, "a dog", "", {"awe": 1.0}, None, 5, 0, manifest)
    return blank_record(planned, 0, MIKELS)


@pytest.fixture
def drawn(record):
    probabilities = dict.fromkeys(MIKELS.labels, 0.125)
    made = {"judge": probabilities, "guide": probabilities, "scores": {"safety": 0.5}}
    return replace(record, **made, judge_confidence=0.125, trace_loss=(0.5, 0.25))


def test_a_row_has_every_column_and_comes_back_from_parquet_as_it_was(record, drawn):
    for made in (record, drawn):
        row = LAYOUT.row(made)
        assert row.keys() == set(LAYOUT.schema.names)
        assert to_table([row], LAYOUT.schema).to_pylist() == [row]
    assert (row["key"], row["manifest_key"]) == ("1", "theirs")
    assert row["trace_loss"] == "[0.5, 0.25]"


def test_a_sample_that_was_not_drawn_is_as_it_was_planned(record, drawn):
    undrawn = LAYOUT.undrawn(LAYOUT.row(drawn))
    changed = {"seed", "candidate"}
    for column, value in LAYOUT.row(record).items():
        assert undrawn[column] == (None if column in changed else value)


def test_json_has_sorted_keys_the_same_in_every_sample_and_no_traces(record, drawn):
    texts = [LAYOUT.to_json(LAYOUT.row(made)).decode() for made in (record, drawn)]
    undrawn, values = map(json.loads, texts)
    assert list(values) == sorted(values)
    assert undrawn.keys() == values.keys()
    assert undrawn["judge"].keys() == values["judge"].keys()
    assert undrawn["judge"]["awe"] is None
    assert values["manifest"] == {"key": "theirs", "weights": [{"key": "a", "value": 0.5}]}
    assert values["scores"] == {"safety": 0.5}
    assert not any(name.startswith("trace") for name in values)


def test_the_types_of_the_json_are_those_that_arrow_reads_from_it(drawn):
    values = json.loads(LAYOUT.to_json(LAYOUT.row(drawn)))
    types = LAYOUT.json_schema()
    assert types.names == list(values)
    assert pa.Table.from_pylist([values], types).to_pylist() == [values]


LARGE = 2**64 - 1


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        (pa.uint64(), LARGE, str(LARGE)),
        (pa.uint64(), None, None),
        (pa.list_(pa.uint64()), [LARGE, 1], [str(LARGE), "1"]),
        (pa.struct({"a": pa.list_(pa.uint64())}), {"a": [1]}, {"a": ["1"]}),
        (pa.map_(pa.uint64(), pa.int8()), [(LARGE, 1)], [{"key": str(LARGE), "value": 1}]),
        (pa.uint32(), 2**32 - 1, 2**32 - 1),
    ],
    ids=str,
)
def test_integers_that_datasets_cannot_read_are_text_whatever_their_value(
    record, kind, value, expected
):
    layout = layout_of(record_schema(MIKELS.labels, [], pa.schema([("large", kind)])))
    row = layout.row(replace(record, manifest={"large": value}))
    assert json.loads(layout.to_json(row))["manifest"] == {"large": expected}
    assert pa.scalar(expected, json_type(kind)).as_py() == expected
    assert layout.json_schema().field("manifest").type == pa.struct({"large": json_type(kind)})


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        (pa.float64(), math.nan, None),
        (pa.float32(), math.inf, None),
        (pa.binary(), b"\x00\xff", "AP8="),
        (pa.date32(), datetime.date(2026, 1, 2), "2026-01-02"),
        (pa.list_(pa.float64()), [1.0, math.nan], [1.0, None]),
        (pa.map_(pa.string(), pa.int8()), [("a", 1)], [{"key": "a", "value": 1}]),
        (pa.struct({"b": pa.bool_(), "a": pa.float64()}), {"b": True, "a": math.nan}, None),
    ],
)
def test_json_holds_any_value_in_a_form_that_every_reader_takes(kind, value, expected):
    if expected is None and isinstance(value, dict):
        expected = {"b": True, "a": None}
    assert json_value(value) == expected
    assert pa.scalar(expected, json_type(kind)).as_py() == expected


def test_a_corpus_without_a_later_column_has_no_such_key(record):
    schema = LAYOUT.schema.remove(LAYOUT.schema.get_field_index("prompt_windows"))
    earlier = layout_of(schema)
    row = earlier.row(record)
    row.pop("prompt_windows", None)
    written = json.loads(earlier.to_json(row))
    assert "prompt_windows" not in written
    assert set(written) == set(earlier.json_schema().names)
    assert set(json.loads(LAYOUT.to_json(LAYOUT.row(record)))) == {*written, "prompt_windows"}
