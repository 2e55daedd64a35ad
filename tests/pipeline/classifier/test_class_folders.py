"""Class folders as they are on real disks: what is read, what is ignored, what is broken."""

import io
import os

import pytest
from PIL import Image

from pipeline.classifier.class_folders import class_folders, images_of
from pipeline.classifier.labelled import Findings
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
    found = images_of(data, class_folders(data), classes, findings)
    return [item.label for item in found], findings


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


def test_splits_are_not_taken_for_classes(folders, tmp_path):
    for split in ("train", "test"):
        (tmp_path / "set" / split).mkdir(parents=True)
        (folders / "awe").rename(tmp_path / "set" / split / "awe") if split == "train" else None
    (folders / "fear").rename(tmp_path / "set" / "test" / "fear")
    with pytest.raises(UserError, match="several splits"):
        _read(tmp_path / "set")


def test_a_folder_that_holds_the_class_folders_is_named(folders, tmp_path):
    with pytest.raises(UserError, match=r"holds one folder with images; give that folder: .*data"):
        _read(tmp_path)


@pytest.mark.timeout(20)
def test_pipes_and_links_in_a_circle_are_broken_by_name(folders):
    os.mkfifo(folders / "awe" / "7.png")
    os.symlink("8.png", folders / "awe" / "8.png")
    labels, findings = _read(folders)
    assert len(labels) == 4
    assert [line.rpartition("/")[2] for line in findings.broken] == [
        "7.png: is not a regular file",
        "8.png: is a link to a file that does not exist",
    ]


def test_folders_named_by_numbers_need_the_names_of_the_classes(folders):
    (folders / "awe").rename(folders / "0")
    (folders / "fear").rename(folders / "1")
    assert _read(folders, ("awe", "fear"))[0] == ["awe", "awe", "fear", "fear"]
    with pytest.raises(UserError, match="its label is 0, and the data do not say"):
        _read(folders)
