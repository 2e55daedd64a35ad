"""Exports, read by the libraries that they are for."""

import errno
import io
import json
import os

import datasets
import lance
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from pipeline.corpora import corpus as corpora
from pipeline.corpora.export import export, folder_names
from pipeline.errors import UserError
from tests.support.corpora import rows_of
from tests.support.local_runs import run_locally

COUNT = 18
TARGETS = [[("awe", 1.0)], [("fear", 1.0)], [("awe", 0.5), ("fear", 0.5)]]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    folder = tmp_path_factory.mktemp("export")
    table = pa.table(
        {
            "prompt": [f"a dog {n}" for n in range(COUNT)],
            "emotion": pa.array(TARGETS * (COUNT // 3), pa.map_(pa.string(), pa.float64())),
            "label": [f"mine {n}" for n in range(COUNT)],
            "tags": pa.array([[("a", 1)]] * COUNT, pa.map_(pa.string(), pa.int64())),
        }
    )
    pq.write_table(table, folder / "m.parquet")
    run_locally(folder / "m.parquet", folder / "out", shard_size=4, min_confidence=0.2)
    return folder / "out"


@pytest.fixture(autouse=True)
def _cache(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")


def _accepted(corpus):
    return [row for row in rows_of(corpus) if row["status"] == "accepted"]


def _load(*arguments, tmp_path, **options):
    options |= {"split": "train", "cache_dir": str(tmp_path / "cache")}
    return datasets.load_dataset(*arguments, **options)


def test_parquet_is_loaded_with_images_named_classes_and_every_column(corpus, tmp_path):
    accepted = _accepted(corpus)
    assert export(corpus, "parquet", tmp_path / "p") == len(accepted) > 8
    data = _load(str(tmp_path / "p"), tmp_path=tmp_path)
    assert [row["key"] for row in data] == [row["key"] for row in accepted]
    assert all(isinstance(row["image"], Image.Image) for row in data)
    assert data.features["label"].names[-1] == "mixture"
    expected = [row["emotion"] or "mixture" for row in accepted]
    assert [data.features["label"].int2str(row["label"]) for row in data] == expected
    # A column of the manifest with the name of one of ours, and one that datasets has no type for.
    assert [row["manifest_label"] for row in data] == [row["label"] for row in accepted]
    assert json.loads(data[0]["tags"]) == [{"key": "a", "value": 1}]


def test_class_folders_are_loaded_as_an_imagefolder_and_hold_the_same_bytes(corpus, tmp_path):
    accepted = _accepted(corpus)
    export(corpus, "imagefolder", tmp_path / "i")
    data = _load("imagefolder", data_dir=str(tmp_path / "i"), tmp_path=tmp_path)
    assert sorted(row["key"] for row in data) == [row["key"] for row in accepted]
    folders = {path.name for path in (tmp_path / "i").iterdir() if path.is_dir()}
    # torchvision refuses folders without an image.
    assert folders == {row["emotion"] or "mixture" for row in accepted}
    assert {"awe", "fear", "mixture"} <= folders
    export(corpus, "parquet", tmp_path / "p")
    table = pq.read_table(tmp_path / "p")
    for row in table.to_pylist():
        target = row["emotion"] or "mixture"
        file = tmp_path / "i" / target / row["image"]["path"]
        assert file.read_bytes() == row["image"]["bytes"]


def test_lance_gives_the_same_rows(corpus, tmp_path):
    accepted = _accepted(corpus)
    export(corpus, "lance", tmp_path / "l.lance")
    rows = lance.dataset(str(tmp_path / "l.lance")).to_table().to_pylist()
    assert [row["key"] for row in rows] == [row["key"] for row in accepted]
    assert Image.open(io.BytesIO(rows[0]["image"])).size == (64, 64)


def test_what_cannot_be_exported_is_refused_and_nothing_is_written(corpus, tmp_path):
    (tmp_path / "there").mkdir()
    with pytest.raises(UserError, match="choose imagefolder, parquet, lance"):
        export(corpus, "csv", tmp_path / "new")
    with pytest.raises(UserError, match="exists"):
        export(corpus, "parquet", tmp_path / "there")
    assert [path.name for path in tmp_path.iterdir()] == ["there"]


def test_a_damaged_corpus_is_refused_by_the_file(corpus, tmp_path):
    import shutil

    copy = shutil.copytree(corpus, tmp_path / "copy")
    tar = copy / "shards" / "00000001.tar"
    data = bytearray(tar.read_bytes())
    data[len(data) // 2] ^= 1
    tar.write_bytes(data)
    with pytest.raises(UserError, match=r"shards/00000001\.tar"):
        export(copy, "parquet", tmp_path / "new")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy"]


def test_an_interrupted_export_leaves_nothing_and_a_killed_ones_rest_goes(
    corpus, tmp_path, monkeypatch
):
    killed = tmp_path / (".new." + "0" * 32 + ".muse-part")
    killed.mkdir()
    (tmp_path / ".new.draft.muse-part").mkdir()

    def interrupted(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(pq.ParquetWriter, "write_batch", interrupted)
        with pytest.raises(KeyboardInterrupt):
            export(corpus, "parquet", tmp_path / "new")
    assert [path.name for path in tmp_path.iterdir()] == [".new.draft.muse-part"]


@pytest.mark.parametrize("form", ["imagefolder", "parquet"])
def test_an_error_of_reading_the_corpus_names_the_corpus(corpus, tmp_path, monkeypatch, form):
    def fail(_):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(corpora, "_images_in", fail)
    with pytest.raises(OSError, match="Input/output error; while reading") as raised:
        export(corpus, form, tmp_path / "new")
    assert raised.value.filename == str(corpus)
    assert list(tmp_path.iterdir()) == []


def test_class_folders_have_different_names_without_special_characters():
    assert folder_names(["awe", "../fear", "a|b", "a/b", "A_b", "", "."]) == [
        "awe",
        "_fear",
        "a_b",
        "a_b_2",
        "A_b_3",
        "class",
        "class_2",
    ]
