"""Data sets of the library `datasets`, saved in a folder; and from a hub that stands in."""

import io
import os
import subprocess
import sys

import pyarrow.parquet as pq
import pytest
from PIL import Image

from manifests.builder.item import Skipped
from manifests.builder.sources import hub
from manifests.builder.sources.hub import HubSource
from manifests.check import ManifestError
from tests.support.hub_downloads import REPOSITORY, serving

datasets = pytest.importorskip("datasets")


@pytest.fixture(scope="module")
def data():
    png = io.BytesIO()
    Image.new("RGB", (4, 4)).save(png, "png")
    features = datasets.Features(
        {
            "picture": datasets.Image(),
            "caption": datasets.Value("string"),
            "label": datasets.ClassLabel(names=["awe", "fear"]),
            "stars": datasets.Value("float32"),
        }
    )
    rows = {
        "picture": [{"bytes": png.getvalue(), "path": "a.png"}, None],
        "caption": ["a wall", "a door"],
        "label": [1, 0],
        "stars": [2.5, None],
    }
    return datasets.Dataset.from_dict(rows, features)


def _rows(source):
    return [(item.place, item.values) for item in source.items(Skipped())]


def test_a_saved_set_keeps_encoded_images_and_the_names_of_classes(tmp_path, data):
    data.save_to_disk(tmp_path / "set")
    source = HubSource(str(tmp_path / "set"), {}, None, None)
    (place, first), (_, second) = _rows(source)
    assert place == "row 0"
    assert first["image"]["bytes"].startswith(b"\x89PNG")
    assert (first["prompt"], first["emotion"], first["stars"]) == ("a wall", "fear", 2.5)
    assert (second["prompt"], second["image"], second["stars"]) == ("a door", None, None)
    assert source.extra.names == ["stars"]
    assert [note.split(": ")[1].partition(" (")[0] for note in source.notes] == [
        "column 'picture' was taken as image",
        "column 'caption' was taken as prompt",
        "column 'label' was taken as emotion",
    ]


def test_of_several_splits_one_has_to_be_named(tmp_path, data):
    path = str(tmp_path / "set")
    datasets.DatasetDict(train=data, test=data.select([1])).save_to_disk(path)
    with pytest.raises(ManifestError, match="several splits; give --split train or --split test"):
        HubSource(path, {}, None, None)
    with pytest.raises(ManifestError, match="no split 'val'; give --split train or"):
        HubSource(path, {}, "val", None)
    assert len(_rows(HubSource(path, {}, "test", None))) == 1
    data.save_to_disk(tmp_path / "one")
    with pytest.raises(ManifestError, match="has no splits; leave --split train out"):
        HubSource(str(tmp_path / "one"), {}, "train", None)


def test_a_hub_id_is_loaded_with_its_subset(monkeypatch, data):
    asked = []

    def load(path, subset):
        asked.append((path, subset))
        return datasets.DatasetDict(train=data)

    monkeypatch.setattr(datasets, "load_dataset", load)
    assert len(_rows(HubSource("owner/name", {}, None, "faces"))) == 2
    assert asked == [("owner/name", "faces")]


def test_what_cannot_be_loaded_is_refused_with_the_reason(tmp_path, monkeypatch):
    (tmp_path / "dataset_info.json").write_text("{}")
    with pytest.raises(ManifestError, match="cannot be loaded by `datasets`"):
        HubSource(str(tmp_path), {}, None, None)
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(ManifestError) as caught:
        HubSource(str(tmp_path), {}, None, None)
    assert hub.INSTALL in str(caught.value)


@pytest.mark.faults
def test_a_hub_id_is_downloaded_by_the_command_itself(tmp_path, data):
    """From a stand-in on loopback; a process of its own, as `datasets` reads its settings once."""
    data.to_parquet(tmp_path / "train.parquet")
    files = {"data/train-00000-of-00001.parquet": (tmp_path / "train.parquet").read_bytes()}
    with serving(files) as url:
        settings = {"HF_ENDPOINT": url, "HF_HOME": str(tmp_path / "home"), "HF_HUB_OFFLINE": "0"}
        command = [sys.executable, "-m", "pipeline", "manifest", "build", REPOSITORY]
        done = subprocess.run(
            [*command, "-o", tmp_path / "m.parquet"],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, **settings, "HF_HUB_DISABLE_XET": "1"},
            timeout=300,
        )
    assert done.returncode == 0, done.stderr
    assert "2 row(s) of 2 item(s)" in done.stdout
    rows = pq.read_table(tmp_path / "m.parquet").to_pylist()
    assert [(row["prompt"], row["emotion"]) for row in rows] == [
        ("a wall", "fear"),
        ("a door", "awe"),
    ]
    assert rows[0]["image"]["bytes"].startswith(b"\x89PNG")
