"""One dataclass defines the columns, their types and their descriptions."""

import pyarrow as pa
import pytest

from pipeline.index.columns_page import columns_page
from pipeline.output.records import FIELDS, GROUP, KIND, as_read, record_schema, to_table
from tests.support.packages import ROOT

EXTRA = pa.schema([("rating", pa.int64()), ("weights", pa.map_(pa.string(), pa.float64()))])


def test_every_field_has_a_description_and_all_but_the_manifests_a_type():
    for field in FIELDS:
        assert field.metadata["description"].endswith("."), field.name
        assert (field.metadata["arrow_type"] is None) == (field.name == "manifest")


def test_the_page_of_columns_is_made_from_the_record():
    assert (ROOT / "docs" / "columns.md").read_text() == columns_page()


def test_probabilities_scores_and_manifest_columns_are_flat_and_named():
    schema = record_schema(["awe", "fear"], ["safety", "beauty"], EXTRA)
    for column in ("target_awe", "judge_fear", "guide_awe", "score_beauty", "score_safety"):
        assert schema.field(column).type == pa.float64()
    assert schema.field("rating").type == pa.int64()
    assert pa.types.is_map(schema.field("weights").type)
    assert not any(pa.types.is_nested(field.type) for field in schema if field.name != "weights")


@pytest.mark.parametrize("name", ["key", "Prompt", "judge_awe", "manifest_key"])
def test_a_manifest_column_is_renamed_only_where_its_name_is_taken(name):
    columns = ("key", "free", name)
    extra = pa.schema([(column, pa.int8()) for column in columns])
    schema = record_schema(["awe"], [], extra)
    names = [column.casefold() for column in schema.names]
    assert len(set(names)) == len(names)
    assert "free" in schema.names
    assert "manifest_key" in schema.names


def test_a_label_that_is_the_name_of_another_column_has_a_column_of_its_own():
    schema = record_schema(["awe", "confidence", "emotion"], [], pa.schema([]))
    groups = [(f.metadata or {}).get(GROUP.encode()) for f in schema]
    assert groups.count(b"judge") == 3
    assert schema.field("judge_emotion").type == pa.string()
    assert schema.field("judge_judge_emotion").type == pa.float64()


def test_the_schema_survives_a_parquet_file_with_what_its_columns_mean():
    schema = record_schema(["awe"], ["safety"], EXTRA)
    assert as_read(schema).equals(schema, check_metadata=True)


def test_rows_become_a_table_of_the_schema():
    schema = record_schema(["awe"], [], pa.schema([]))
    row = dict.fromkeys(schema.names) | {"key": "k", "attempts": 0}
    assert to_table([row], schema).schema == schema
    assert len([f for f in FIELDS if f.metadata[KIND] != GROUP]) + 3 == len(schema)
