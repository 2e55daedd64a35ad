"""Labelled images as they lie on real disks: what is read, what is ignored, and what is refused by
name."""

import io
import json
import os
import tarfile

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from pipeline.classifier.datasets import Findings, read_labelled
from pipeline.errors import UserError


def _image(kind="PNG") -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (4, 4)).save(buffer, kind)
    return buffer.getvalue()


@pytest.fixture
def folders(tmp_path):
    """Two class folders of two images each."""
    data = tmp_path / "data"
    for label in ("awe", "fear"):
        (data / label).mkdir(parents=True)
        for n in range(2):
            (data / label / f"{n}.png").write_bytes(_image())
    return data


def _read(data, classes=()):
    findings = Findings()
    return [item.label for item in read_labelled(data, classes, findings)], findings


def _tar(path, count=2):
    with tarfile.open(path, "w") as archive:
        for n in range(count):
            for suffix, content in (("png", _image()), ("json", b'{"emotion": "awe"}')):
                info = tarfile.TarInfo(f"{n}.{suffix}")
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("x.tif", "TIFF"), ("x.TIFF", "TIFF"), ("x.gif", "GIF"), ("x.bmp", "BMP"),
        ("x.webp", "WEBP"), ("x.JPEG", "JPEG"), ("x.jfif", "JPEG"),
    ],
)  # fmt: skip
def test_every_format_that_is_decoded_is_read(folders, name, kind):
    (folders / "awe" / name).write_bytes(_image(kind))
    labels, findings = _read(folders)
    assert labels.count("awe") == 3
    assert not findings.ignored


def test_hidden_and_foreign_files_are_ignored_and_counted(folders):
    (folders / "awe" / ".ipynb_checkpoints").mkdir()
    (folders / "awe" / ".ipynb_checkpoints" / "0.png").write_bytes(_image())
    (folders / "awe" / "deep").mkdir()
    (folders / "awe" / "deep" / "._0.png").write_bytes(b"no image")
    (folders / "fear" / "Thumbs.db").write_bytes(b"")
    (folders / "fear" / "notes.txt").write_text("notes")
    (folders / "README.md").write_text("about")
    (folders / ".git").mkdir()
    (folders / ".git" / "x.png").write_bytes(_image())
    labels, findings = _read(folders)
    assert labels == ["awe", "awe", "fear", "fear"]
    assert findings.broken == []
    assert findings.ignored == {
        "hidden file(s) or folder(s)": 4,
        ".txt file(s)": 1,
        ".md file(s) outside the class folders": 1,
    }
    assert "1 .txt file(s)" in findings.summary()


def test_links_that_lead_back_are_not_followed_and_counted(folders):
    os.symlink(folders, folders / "awe" / "all")
    labels, findings = _read(folders)
    assert len(labels) == 4
    assert findings.ignored == {"link(s) to folders": 1}


def test_links_to_nothing_and_folders_named_like_images_are_broken_by_name(folders):
    os.symlink("/nonexistent.png", folders / "awe" / "9.png")
    (folders / "fear" / "8.png").mkdir()
    labels, findings = _read(folders)
    assert len(labels) == 4
    assert [line.rpartition("/")[2] for line in findings.broken] == [
        "9.png: is a link to a file that does not exist",
        "8.png: is a folder, and named like an image",
    ]


def test_data_in_two_forms_are_refused_with_an_example_of_each(folders):
    _tar(folders / "old.tar")
    with pytest.raises(UserError, match=r"tar files \(as old.tar\) and class folders \(as awe\)"):
        _read(folders)
    (folders / "old.tar").unlink()
    pq.write_table(pa.table({"image": [b"x"], "label": ["awe"]}), folders / "old.parquet")
    with pytest.raises(UserError, match=r"tables \(as old.parquet\) and class folders"):
        _read(folders)


def test_the_output_of_a_run_is_read_from_its_shards(tmp_path):
    (tmp_path / "shards").mkdir()
    _tar(tmp_path / "shards" / "00000.tar")
    pq.write_table(pa.table({"key": ["0"]}), tmp_path / "metadata.parquet")
    (tmp_path / "run.json").write_text("{}")
    assert _read(tmp_path)[0] == ["awe", "awe"]


def test_splits_are_not_taken_for_classes(folders, tmp_path):
    for split in ("train", "test"):
        (tmp_path / "set" / split).mkdir(parents=True)
        (folders / "awe").rename(tmp_path / "set" / split / "awe") if split == "train" else None
    (folders / "fear").rename(tmp_path / "set" / "test" / "fear")
    with pytest.raises(UserError, match="several splits"):
        _read(tmp_path / "set")


def test_samples_without_an_image_or_a_label_are_ignored_and_counted(tmp_path):
    with tarfile.open(tmp_path / "x.tar", "w") as archive:
        for name, content in (("0.txt", b"a"), ("1.png", _image()), ("1.json", b'{"emotion": ""}')):
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    labels, findings = _read(tmp_path)
    assert labels == []
    assert findings.ignored.total() == 2
    assert "1 sample(s) without an image (.txt alone)" in findings.summary()


def test_caches_of_a_saved_set_are_not_read(tmp_path):
    from datasets import Dataset

    Dataset.from_dict({"image": [_image()], "label": ["awe"]}).save_to_disk(str(tmp_path / "set"))
    saved = json.loads((tmp_path / "set" / "state.json").read_text())["_data_files"]
    (tmp_path / "set" / "cache-1.arrow").write_bytes(b"left over")
    assert len(saved) == 1
    assert _read(tmp_path / "set")[0] == ["awe"]


@pytest.mark.parametrize("label", [7, -1])
def test_a_number_without_a_name_is_refused(tmp_path, label):
    pq.write_table(pa.table({"image": [b"x"], "label": [label]}), tmp_path / "t.parquet")
    with pytest.raises(UserError, match=f"its label is {label}, and the data do not say"):
        _read(tmp_path / "t.parquet", ("awe", "fear"))


def test_what_is_not_there_and_what_has_no_images(tmp_path):
    with pytest.raises(UserError, match="does not exist"):
        _read(tmp_path / "none")
    with pytest.raises(UserError, match="no labelled images"):
        _read(tmp_path)
