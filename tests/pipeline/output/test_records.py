"""One dataclass defines the columns, their types and the JSON of a sample."""

import dataclasses
import datetime
import json
import math

import pyarrow as pa
import pytest

from pipeline.output.records import DRAWN, Record, json_schema, record_schema, to_json, to_table

EXTRA = pa.schema([("rating", pa.int64()), ("weights", pa.map_(pa.string(), pa.float64()))])


def test_every_column_has_a_type_and_a_description():
    schema = record_schema({}, pa.schema([]))
    for field in dataclasses.fields(Record):
        assert field.metadata["description"].endswith("."), field.name
        assert schema.field(field.name).type


def test_what_describes_an_image_is_empty_where_there_is_none():
    assert DRAWN["judge"] is None
    assert DRAWN["attempts"] == 0
    assert "key" not in DRAWN


def test_shared_values_scores_and_manifest_columns_are_added_to_the_schema():
    schema = record_schema({"threads": 1}, EXTRA, ["safety", "beauty"])
    assert schema.field("threads").type == pa.int64()
    assert [field.name for field in schema.field("scores").type] == ["beauty", "safety"]
    assert schema.field("manifest").type.field("rating").type == pa.int64()


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (math.nan, None),
        (math.inf, None),
        (b"\x00\xff", "AP8="),
        (datetime.date(2026, 1, 2), "2026-01-02"),
        ([("awe", 0.5)], [{"key": "awe", "value": 0.5}]),
        ({"b": 1, "a": math.nan}, {"a": None, "b": 1}),
    ],
)
def test_json_holds_any_value_in_a_form_that_every_reader_takes(value, expected):
    assert json.loads(to_json({"key": "k", "value": value}))["value"] == expected


def test_json_is_sorted_and_leaves_traces_out():
    text = to_json({"seed": 1, "key": "k", "trace_nfe": [1, 2]}).decode()
    assert text == '{"key": "k", "seed": 1}'


def test_the_types_of_the_json_are_those_that_arrow_reads_from_it():
    schema = record_schema({}, EXTRA)
    types = json_schema(schema)
    assert "trace_nfe" not in types.names
    assert types.names == sorted(types.names)
    assert pa.types.is_list(types.field("manifest").type.field("weights").type)


def test_rows_become_a_table_of_the_schema():
    schema = record_schema({}, pa.schema([]))
    row = dict.fromkeys(schema.names) | {"key": "k", "attempts": 0}
    assert to_table([row], schema).schema == schema
