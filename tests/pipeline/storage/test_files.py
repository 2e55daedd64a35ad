import hashlib
import json
import os

import pytest

from pipeline.storage import files as storage
from pipeline.storage.remote import Remote


def test_a_file_is_whole_or_not_there(tmp_path, monkeypatch):
    path = tmp_path / "a" / "file.bin"
    storage.write_bytes(path, b"old")

    def power_loss(*_):
        raise OSError("power loss")

    monkeypatch.setattr(os, "replace", power_loss)
    with pytest.raises(OSError, match="power loss"):
        storage.write_bytes(path, b"new and longer")
    assert path.read_bytes() == b"old"
    # What was left behind is hidden from every reader's pattern, and cleared by the next run.
    assert list(path.parent.glob("*.bin")) == [path]
    storage.clear_temporaries(tmp_path)
    assert os.listdir(path.parent) == ["file.bin"]


def test_the_sizes_of_files_below_a_folder(tmp_path):
    import fsspec

    fsspec.filesystem("memory").store.clear()
    for folder in (tmp_path / "out", Remote("memory://sizes/out")):
        assert storage.sizes_below(folder) == {}
        for number, name in enumerate(("a.bin", "b/c.bin", "b/d/e.bin")):
            storage.write_bytes(folder / name, b"x" * number)
        assert storage.sizes_below(folder) == {"a.bin": 0, "b/c.bin": 1, "b/d/e.bin": 2}
        assert storage.sizes_below(folder / "b") == {"c.bin": 1, "d/e.bin": 2}


def test_only_our_own_temporary_files_are_cleared(tmp_path):
    ours = tmp_path / "mine" / storage.temporary_name("draft")
    others = [
        tmp_path / "mine" / name
        for name in (".draft.part", ".draft.1234.part", ".draft.muse-part", "draft.muse-part")
    ]
    ours.parent.mkdir()
    for path in [ours, *others]:
        path.write_bytes(b"half")
    storage.clear_temporaries(tmp_path)
    assert not ours.exists()
    assert all(path.exists() for path in others)


def test_json_is_canonical(tmp_path):
    one = storage.write_json(tmp_path / "1.json", {"b": 1, "a": [1, 2]})
    two = storage.write_json(tmp_path / "2.json", {"a": [1, 2], "b": 1})
    assert one == two == storage.sha256_file(tmp_path / "1.json")
    assert json.loads((tmp_path / "1.json").read_text()) == {"a": [1, 2], "b": 1}


def test_a_folders_hash_heeds_names_and_contents_only(tmp_path):
    for name in ("one", "two"):
        storage.write_bytes(tmp_path / name / "x" / "f", b"data")
    assert storage.sha256_folder(tmp_path / "one") == storage.sha256_folder(tmp_path / "two")
    known = hashlib.sha256(
        b"x/f\0" + hashlib.sha256(b"data").hexdigest().encode() + b"\n"
    ).hexdigest()
    assert (
        storage.sha256_folder(tmp_path / "one") == known
    )  # as runs that are resumed have it in their fingerprints
    os.rename(tmp_path / "two" / "x" / "f", tmp_path / "two" / "x" / "g")
    assert storage.sha256_folder(tmp_path / "one") != storage.sha256_folder(tmp_path / "two")
    storage.write_bytes(tmp_path / "one" / "left-out", b"data")
    assert storage.sha256_folder(tmp_path / "one", only=[tmp_path / "one" / "x" / "f"]) == known


def test_files_behind_links_to_folders_are_found_each_place_once(tmp_path):
    storage.write_bytes(tmp_path / "elsewhere" / "f", b"data")
    model = tmp_path / "model"
    storage.write_bytes(model / "config.json", b"{}")
    (model / "unet").symlink_to(tmp_path / "elsewhere")
    (model / "round").symlink_to(model)
    (model / "gone").symlink_to(tmp_path / "nowhere")
    assert storage.files_below(model) == [model / "config.json", model / "unet" / "f"]
    before = storage.sha256_folder(model)
    storage.write_bytes(tmp_path / "elsewhere" / "f", b"other")
    assert storage.sha256_folder(model) != before


def test_a_folder_of_a_run_may_be_a_link_to_another_disk(tmp_path):
    disk, out = tmp_path / "disk", tmp_path / "out"
    left_over = ".b.tar." + 32 * "0" + ".muse-part"
    disk.mkdir()
    out.mkdir()
    (disk / "a.tar").write_bytes(b"12")
    (disk / left_over).write_bytes(b"")
    (out / "shards").symlink_to(disk)
    (disk / "around").symlink_to(out)
    left = [*storage.temporaries(out)]
    sizes = storage.sizes_below(out)
    assert sizes["shards/a.tar"] == 2
    assert [path.name for path in left] == [left_over]
