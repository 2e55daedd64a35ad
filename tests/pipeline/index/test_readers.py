"""Every snippet of the card, run with the real library on a corpus of one shard."""

import datetime
import decimal
import importlib
import shutil
from pathlib import Path

import datasets
import pandas
import pyarrow as pa
import pytest

from pipeline.index.readers import READERS, READERS_OF_METADATA, snippet
from tests.support.corpora import rows_of
from tests.support.local_runs import run_locally, write_rows

pytestmark = pytest.mark.research

ROWS_OF_METADATA = ("pandas", "polars")


@pytest.fixture
def corpus(make_corpus, monkeypatch, tmp_path) -> Path:
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    return make_corpus(min_confidence=0.5, shard_size=100)


@pytest.mark.parametrize("library", list(READERS))
def test_it_reads_every_sample(corpus, library, request):
    names: dict = {}
    if library == "Ray Data":
        # Without an address Ray would join a cluster that another test has started.
        ray = importlib.import_module("ray")
        ray.init(address="local", include_dashboard=False)
        request.addfinalizer(ray.shutdown)
    exec(snippet(library, str(corpus), "png"), names)
    data = names["data"]
    rows = rows_of(corpus)
    if library in ROWS_OF_METADATA:
        assert len(data) == len(rows)
    elif library == "Ray Data":
        keys = sorted(row["__key__"] for row in data.take_all())
        assert [key.rpartition("/")[2] for key in keys] == _accepted(rows)
    else:
        assert len(list(data)) == len(_accepted(rows))


def _accepted(rows):
    return [row["key"] for row in rows if row["status"] == "accepted"]


def test_pandas_drops_duplicates_of_whole_rows(corpus):
    data = pandas.read_parquet(corpus / "metadata.parquet")
    assert len(pandas.concat([data, data]).drop_duplicates()) == len(data)


@pytest.mark.parametrize("library", [*READERS_OF_METADATA, "datasets"])
def test_a_corpus_without_samples_is_read_by_what_its_card_shows(
    make_corpus, monkeypatch, tmp_path, library
):
    """`datasets` reads the metadata of it."""
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    corpus = make_corpus(min_confidence=1.0)
    assert not list(corpus.glob("shards/*.tar"))
    names: dict = {}
    exec(snippet(library, str(corpus), "png"), names)
    assert len(names["data"]) == (0 if library == "DuckDB" else len(rows_of(corpus)))


LATE = {
    "note": (pa.string(), "x"),
    "tags": (pa.list_(pa.string()), ["a", "b"]),
    "pairs": (pa.map_(pa.string(), pa.float64()), [("k", 0.5)]),
    "box": (pa.struct({"x": pa.int8(), "names": pa.list_(pa.string())}), {"x": 1, "names": ["y"]}),
    "grid": (pa.list_(pa.list_(pa.int16())), [[1], []]),
    "raw": (pa.binary(), b"\x00\xff"),
    "day": (pa.date32(), datetime.date(2026, 1, 2)),
    "price": (pa.decimal128(5, 2), decimal.Decimal("1.50")),
    "kind": (pa.dictionary(pa.int8(), pa.string()), "a"),
    "void": (pa.null(), None),
    "real": (pa.float32(), 0.5),
    "hash": (pa.uint64(), 2**64 - 1),
}


def test_datasets_does_not_take_one_corpus_for_another_of_the_same_name(tmp_path, monkeypatch):
    """Its cache knows a folder by its last name and the header of its card."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    cache = str(tmp_path / "cache")
    for count in (3, 5, 4):
        folder = tmp_path / str(count % 2)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        manifest = write_rows(folder / "m.parquet", count)
        run_locally(manifest, folder / "out", min_confidence=0.0)
        monkeypatch.chdir(folder)
        data = datasets.load_dataset("out", split="train", cache_dir=cache)
        assert len(data) == count


def test_datasets_loads_columns_that_are_null_or_empty_in_the_first_samples(tmp_path, monkeypatch):
    """datasets infers types from five samples where they are not given."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    columns = {}
    for name, (kind, value) in LATE.items():
        empty = [] if name in ("tags", "pairs", "grid") else None
        columns[name] = pa.array([empty] * 8 + [value] * 4, kind)
    emotions = ["awe"] * 6 + ["fear"] * 6
    manifest = write_rows(tmp_path / "m.parquet", 12, emotion=emotions, **columns)
    run_locally(manifest, tmp_path / "out", min_confidence=0.0, shard_size=100)
    data = datasets.load_dataset(
        str(tmp_path / "out"), split="train", cache_dir=str(tmp_path / "cache")
    )
    assert len(data) == 12
    assert data[0]["json"]["manifest"]["note"] is None
    last = data[11]
    assert data.features["cls"].int2str(last["cls"]) == "fear"
    manifest = last["json"]["manifest"]
    assert (manifest["note"], manifest["tags"], manifest["raw"]) == ("x", ["a", "b"], "AP8=")
    assert manifest["hash"] == str(2**64 - 1)
    assert manifest["pairs"] == [{"key": "k", "value": 0.5}]
    assert manifest["box"] == {"x": 1, "names": ["y"]}
    assert (manifest["day"], manifest["price"]) == ("2026-01-02", "1.50")
