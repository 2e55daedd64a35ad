"""Rows in memory as the table of a manifest."""

import io

import pandas
import polars
import pyarrow as pa
import pytest
from PIL import Image

from manifests.rows import table_of


def test_a_key_that_only_some_rows_have_is_null_in_the_others():
    table = table_of([{"prompt": "a"}, {"prompt": "b", "seed": 3}])
    assert table.to_pylist() == [{"prompt": "a", "seed": None}, {"prompt": "b", "seed": 3}]


def test_names_among_mixtures_become_mixtures_of_one():
    rows = [{"emotion": "awe"}, {"emotion": {"awe": 0.5, "fear": 0.5}}, {"emotion": None}]
    assert table_of(rows)["emotion"].to_pylist() == [
        [("awe", 1.0)],
        [("awe", 0.5), ("fear", 0.5)],
        None,
    ]
    frame = pandas.DataFrame({"emotion": ["awe", None]})
    assert table_of(frame)["emotion"].to_pylist() == ["awe", None]
    with pytest.raises(ValueError, match=r"column emotion: \['awe'\] is a list beside mixtures"):
        table_of([{"emotion": ["awe"]}, {"emotion": {"awe": 1.0}}])


def test_images_are_paths_seen_from_here_urls_bytes_or_pictures(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = [{"image": "a.png"}, {"image": "s3://b/c.png"}, {"image": "/d.png"}, {"image": None}]
    paths = [str(tmp_path / "a.png"), "s3://b/c.png", "/d.png", None]
    assert table_of(rows)["image"].to_pylist() == paths
    picture = Image.new("RGB", (3, 2), (1, 2, 3))
    (encoded,) = table_of([{"image": picture}])["image"].to_pylist()
    assert Image.open(io.BytesIO(encoded)).tobytes() == picture.tobytes()


def test_masks_are_as_images(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = [{"mask": "a.png"}, {"mask": None}]
    assert table_of(rows)["mask"].to_pylist() == [str(tmp_path / "a.png"), None]
    (encoded,) = table_of([{"mask": Image.new("L", (4, 4))}])["mask"].to_pylist()
    assert Image.open(io.BytesIO(encoded)).size == (4, 4)


def test_what_is_no_table_or_has_no_common_type_is_refused():
    with pytest.raises(ValueError, match="the manifest is a int"):
        table_of(3)
    with pytest.raises(ValueError, match="column seed: its values have no common type"):
        table_of([{"seed": 1}, {"seed": "two"}])
    with pytest.raises(ValueError, match="column seed: its values have no common type"):
        table_of([{"seed": 2**70}])


def test_columns_that_no_manifest_can_have_are_refused_by_name():
    with pytest.raises(ValueError, match="column 0: its name is no text"):
        table_of(pandas.DataFrame({0: ["a"], "prompt": ["b"]}))
    with pytest.raises(ValueError, match="column 3: its name is no text"):
        table_of([{"prompt": "a", 3: 1}])
    with pytest.raises(ValueError, match="column prompt: is there twice"):
        table_of(pandas.DataFrame([["a", "b"]], columns=["prompt", "prompt"]))
    twice = pa.table([["a"], ["b"]], names=["image", "image"])
    with pytest.raises(ValueError, match="column image: is there twice"):
        table_of(twice)


def test_python_objects_in_polars_are_refused_by_column():
    frame = polars.DataFrame({"prompt": ["a"], "x": [object()], "image": [Image.new("L", (2, 2))]})
    with pytest.raises(ValueError, match=r"column x: holds Python objects.*frame\.to_dicts\(\)"):
        table_of(frame)
    # The remedy of the message.
    assert table_of(frame.drop("x").to_dicts())["image"].type == pa.binary()
