"""A folder of images as a source: what belongs to it, and in which order."""

import os

import pytest

from manifests.builder.item import Skipped
from manifests.builder.sources.images import MAX_CAPTION, ImageFolder, has_images


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("b.JPG", "a.png", "sub/a.png", "sub/.hidden/c.png", "Thumbs.db"):
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    (tmp_path / "photos" / "loop").symlink_to(tmp_path / "photos")
    return tmp_path / "photos"


def _read(**mapping):
    skipped = Skipped()
    source = ImageFolder("photos", mapping)
    return source, list(source.items(skipped)), skipped


def test_images_stand_in_the_order_of_their_names_and_links_are_not_followed(folder):
    _, items, skipped = _read()
    assert [item.place for item in items] == ["a.png", "b.JPG", "sub/a.png"]
    assert skipped.counts == {"link to a folder": 1, "hidden folder": 1, "hidden file": 1}
    assert has_images("photos")
    assert not has_images("photos/sub/.hidden/none")


def test_a_name_that_is_not_utf_8_is_skipped(folder):
    with open(os.path.join(os.fsencode(folder), b"caf\xe9.png"), "wb"):
        pass
    _, items, skipped = _read()
    assert len(items) == 3
    assert skipped.counts["name that is not UTF-8; rename it"] == 1


def test_one_caption_serves_images_of_the_same_name_in_its_folder_alone(folder):
    (folder / "a.txt").write_text("\ufeffa wall \n")
    (folder / "a.webp").write_bytes(b"")
    _, items, _ = _read()
    prompts = {item.place: item.values.get("prompt") for item in items}
    assert prompts == {"a.png": "a wall", "a.webp": "a wall", "b.JPG": None, "sub/a.png": None}


def test_a_json_beside_an_image_counts_before_its_text(folder):
    (folder / "a.txt").write_text("a wall")
    (folder / "a.json").write_text('{"alt": "a door", "text": "x", "id": 5, "image": "y"}')
    source, items, _ = _read()
    assert items[0].values == {"prompt": "x", "image": "a.png"}
    assert source.notes == [
        "photos: left out: keys of .json files alt, id",
        "left out 1: another caption in .txt; that in .json counts (photos/a.png)",
    ]
    _, items, _ = _read(prompt="alt", id="id")
    assert items[0].values == {"prompt": "a door", "id": 5, "image": "a.png"}


@pytest.mark.parametrize(
    ("name", "data", "problem"),
    [
        ("a.txt", b"\xe9", "its .txt is not UTF-8"),
        ("a.json", b"[]", "its .json is []; write one object"),
        ("a.json", b'{"text": "x", "text": "y"}', "its .json has the key 'text' twice"),
        ("a.json", b'{"text": "x", "caption": "y"}', "could all be 'prompt'; give --map prompt="),
        ("a.txt", b"x" * (MAX_CAPTION + 1), "at most 1,000,000 bytes"),
    ],
)
def test_captions_that_cannot_be_used_are_problems_of_their_images(folder, name, data, problem):
    (folder / name).write_bytes(data)
    _, items, _ = _read()
    found = {item.place: item.problem for item in items}
    assert problem in found.pop("a.png")
    assert set(found.values()) == {None}
