"""Parquet as a source."""

import datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from manifests.check import ManifestError


def test_parquet_keeps_types_classes_and_images(tmp_path, read):
    features = (
        b'{"info": {"features": {"label": {"names": ["awe", "fear"], "_type": "ClassLabel"}}}}'
    )
    table = pa.table(
        {
            "caption": ["a", "b"],
            "label": pa.array([1, -1]),
            "image": [b"x", None],
            "day": [datetime.date(2020, 1, 2)] * 2,
        }
    )
    pq.write_table(
        table.replace_schema_metadata({b"huggingface": features}), tmp_path / "s.parquet"
    )
    source, rows, _ = read("t.parquet", (tmp_path / "s.parquet").read_bytes())
    assert rows[0] == (
        "row 0",
        {"prompt": "a", "emotion": "fear", "image": b"x", "day": datetime.date(2020, 1, 2)},
    )
    assert rows[1][1]["emotion"] is None
    assert source.image_kind == pa.binary()
    assert source.extra == pa.schema([("day", pa.date32())])


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("t.parquet", b"no parquet", "cannot be read as parquet"),
    ],
)
def test_what_is_wrong_is_named_by_line(read, name, content, problem):
    with pytest.raises(ManifestError, match=problem):
        read(name, content)


@pytest.mark.parametrize("name", ["prompt", "note"])
def test_two_columns_of_one_name_are_refused(tmp_path, read, name):
    table = pa.table([["a"], ["b"], ["c"]], names=["prompt", name, "note"])
    pq.write_table(table, tmp_path / "s.parquet")
    with pytest.raises(ManifestError, match=f"column '{name}': is there twice"):
        read("t.parquet", (tmp_path / "s.parquet").read_bytes())
