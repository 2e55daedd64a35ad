"""A WebDataset as a source."""

import io
import tarfile

import pytest
from PIL import Image

from manifests.builder.item import Skipped
from manifests.builder.sources.tar_images import TarImages
from manifests.check import ManifestError


@pytest.fixture
def write(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def _write(name, members):
        with tarfile.open(name, "w") as archive:
            for member, data in members.items():
                info = tarfile.TarInfo(member)
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))

    return _write


def _png():
    data = io.BytesIO()
    Image.new("RGB", (4, 4)).save(data, "png")
    return data.getvalue()


def test_samples_of_all_archives_of_a_folder_in_order(tmp_path, write):
    (tmp_path / "shards").mkdir()
    png = _png()
    write("shards/b.tar", {"0.png": png, "0.json": b'{"text": "b", "emotion": "awe", "w": 1}'})
    write("shards/a.tar", {"0.jpg": png, "0.txt": b"a", "0.cls": b"3"})
    source = TarImages("shards", {})
    items = list(source.items(Skipped()))
    assert [(item.place, item.values) for item in items] == [
        ("a.tar 0", {"prompt": "a", "image": png}),
        ("b.tar 0", {"prompt": "b", "emotion": "awe", "image": png}),
    ]
    assert source.notes == [
        "shards: left out: keys of .json files w",
        "shards: left out: files that end in .cls",
    ]


@pytest.mark.parametrize(
    ("members", "problem"),
    [
        ({"0.png": b"x", "0.jpg": b"y"}, "has 2 images; keep one"),
        ({"0.png": b"x", "0.json": b"["}, "its .json is not JSON"),
        ({"0.png": b"x", "0.txt": b"\xe9"}, "its .txt is not UTF-8"),
        ({"0.png": b"x", "0.json": b"5"}, "its .json is 5"),
    ],
)
def test_samples_that_cannot_be_meant_have_a_problem(write, members, problem):
    write("a.tar", members)
    (item,) = TarImages("a.tar", {}).items(Skipped())
    assert item.place == "a.tar 0"
    assert item.problem.startswith(problem)


def test_an_archive_that_is_cut_is_refused(tmp_path, write):
    write("a.tar", {f"{n}.png": b"x" * 600 for n in range(4)})
    (tmp_path / "a.tar").write_bytes((tmp_path / "a.tar").read_bytes()[:2000])
    with pytest.raises(ManifestError, match="not a whole tar file"):
        list(TarImages("a.tar", {}).items(Skipped()))


def test_samples_of_an_archive_without_images_are_captions(write):
    write("a.tar", {"0.txt": b"a dog", "1.txt": b"a cat"})
    items = list(TarImages("a.tar", {}).items(Skipped()))
    assert [item.values for item in items] == [
        {"prompt": "a dog", "image": None},
        {"prompt": "a cat", "image": None},
    ]


@pytest.mark.parametrize("first", ["0", "2"])
def test_a_sample_without_an_image_beside_images_is_skipped_by_name(write, first):
    write("a.tar", {f"{first}.txt": b"a dog", "1.png": _png()})
    skipped = Skipped()
    (item,) = TarImages("a.tar", {}).items(skipped)
    assert item.place == "a.tar 1"
    assert list(skipped.lines()) == [f"skipped 1: sample without an image (a.tar {first})"]


def test_an_image_with_a_second_dot_in_its_name_does_not_become_a_prompt(write):
    write("a.tar", {"0001v1.0.jpg": _png(), "0001v1.0.json": b'{"text": "a"}', "2.txt": b"b"})
    skipped = Skipped()
    items = list(TarImages("a.tar", {}).items(skipped))
    assert [item.place for item in items] == ["a.tar 2"]
    (line,) = skipped.lines()
    assert line.startswith("skipped 1: image with a second dot in its name")
    assert line.endswith("rename the file (a.tar 0001v1)")


def test_images_and_captions_that_lie_apart_are_refused(write):
    write("a.tar", {"0.jpg": _png(), "1.jpg": _png(), "0.json": b"{}"})
    with pytest.raises(ManifestError, match=r"0\.json stands apart .*tar --sort=name"):
        list(TarImages("a.tar", {}).items(Skipped()))
