"""Types of the samples' JSON: what Arrow stores, what JSON gives back, what `datasets` gets."""

import datetime
import decimal
import json

import pyarrow as pa
import pytest
from datasets import Features

from pipeline.index.features import dataset_features
from pipeline.output.records import record_schema
from pipeline.output.rows import json_type, json_value, layout_of

COLUMNS = {
    "text": (pa.string(), ["a", None]),
    "whole": (pa.uint8(), [1, None]),
    "real": (pa.float32(), [0.5, float("nan")]),
    "flag": (pa.bool_(), [True, None]),
    "nothing": (pa.null(), [None, None]),
    "data": (pa.binary(), [b"\x00", None]),
    "day": (pa.date32(), [datetime.date(2026, 1, 2), None]),
    "price": (pa.decimal128(5, 2), [decimal.Decimal("1.50"), None]),
    "words": (pa.list_(pa.string()), [["a"], []]),
    "fixed": (pa.list_(pa.float64(), 2), [[1.0, 2.0], None]),
    "rows": (pa.list_(pa.list_(pa.int32())), [[[1], []], None]),
    "pairs": (pa.map_(pa.string(), pa.float64()), [[("x", 1.0)], []]),
    "struct": (pa.struct({"a": pa.int8(), "b": pa.list_(pa.date32())}), [{"a": 1, "b": []}, None]),
    "structs": (pa.list_(pa.struct({"a": pa.string()})), [[{"a": "x"}], []]),
    "coded": (pa.dictionary(pa.int8(), pa.string()), ["a", None]),
}


@pytest.fixture
def table():
    schema = pa.schema([(name, kind) for name, (kind, _) in COLUMNS.items()])
    rows = [{name: values[n] for name, (_, values) in COLUMNS.items()} for n in range(2)]
    return pa.Table.from_pylist(rows, schema)


def test_json_reads_back_as_the_types_that_are_promised(table):
    rows = [json.loads(json.dumps(json_value(row))) for row in table.to_pylist()]
    promised = pa.schema([(field.name, json_type(field.type)) for field in table.schema])
    assert pa.Table.from_pylist(rows, promised).to_pylist() == rows
    first, second = rows
    assert first.keys() == second.keys() == COLUMNS.keys()
    assert (first["data"], first["day"], first["price"]) == ("AA==", "2026-01-02", "1.50")
    assert first["pairs"] == [{"key": "x", "value": 1.0}]
    assert second["real"] is None


def test_the_features_are_those_that_datasets_itself_would_write(table):
    layout = layout_of(record_schema(["awe", "fear"], ["safety"], table.schema))
    features = dataset_features(layout, "png", ["awe", "fear", "mixture"])
    by_name = {feature["name"]: feature for feature in features}
    expected = Features.from_arrow_schema(layout.json_schema())._to_yaml_list()
    assert by_name["json"]["struct"] == expected
    loaded = Features._from_yaml_list(features)
    assert loaded["cls"].names == ["awe", "fear", "mixture"]
    assert list(loaded) == ["cls", "json", "png", "txt", "__key__", "__url__"]
    assert loaded["json"]["manifest"].keys() == COLUMNS.keys()
    assert loaded["json"]["target"].keys() == {"awe", "fear"}
