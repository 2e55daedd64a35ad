"""Text, tables and folders of images in the place of a manifest."""

import json

import pyarrow.parquet as pq
import pytest
from PIL import Image

from pipeline.config import Config
from pipeline.errors import UserError
from pipeline.planning.direct_source import built_manifest, folder_of_source, is_direct
from tests.support import drive


def _rows(path, **settings):
    notes = []
    with built_manifest(str(path), Config(**settings), notes.append) as manifest:
        return pq.read_table(manifest).to_pylist(), notes


def test_prompts_leave_their_emotions_to_the_run(tmp_path):
    (tmp_path / "p.txt").write_text("a dog\n\na cat\n")
    rows, notes = _rows(tmp_path / "p.txt", emotions=("all",))
    assert rows == [{"prompt": "a dog"}, {"prompt": "a cat"}]
    assert notes == [f"skipped 1: blank line ({tmp_path / 'p.txt'} line 2)"]
    with pytest.raises(UserError, match=r"2 row.s. name no emotion; give --emotions awe,fear"):
        _rows(tmp_path / "p.txt")


def test_a_table_brings_its_own_emotions(tmp_path):
    (tmp_path / "t.csv").write_text("caption,mood\na dog,awe:0.5+fear:0.5\n")
    rows, notes = _rows(tmp_path / "t.csv")
    assert rows == [{"prompt": "a dog", "emotion": [("awe", 0.5), ("fear", 0.5)]}]
    assert len(notes) == 2


def test_images_of_a_folder_are_named_beside_it(tmp_path):
    (tmp_path / "photos").mkdir()
    Image.new("RGB", (4, 4)).save(tmp_path / "photos" / "a.png")
    (tmp_path / "photos" / "a.txt").write_text("a wall")
    rows, _ = _rows(tmp_path / "photos", emotions=("awe",))
    assert rows == [{"prompt": "a wall", "image": "photos/a.png"}]
    assert folder_of_source(str(tmp_path / "photos")) == str(tmp_path)


def test_what_is_ambiguous_names_the_command_that_decides(tmp_path):
    (tmp_path / "t.csv").write_text("caption,text\na dog,x\n")
    with pytest.raises(UserError, match="give --map prompt=caption or --map prompt=text") as caught:
        _rows(tmp_path / "t.csv", emotions=("awe",))
    assert f"muse-batch manifest build {tmp_path}/t.csv -o t.parquet" in str(caught.value)
    (tmp_path / "my photos").mkdir()
    Image.new("RGB", (4, 4)).save(tmp_path / "my photos" / "a.png")
    with pytest.raises(UserError, match="give --prompt or --captioner") as caught:
        _rows(tmp_path / "my photos", emotions=("awe",))
    assert f"build '{tmp_path}/my photos' -o 'my photos.parquet'" in str(caught.value)


def test_parquet_and_urls_are_manifests_themselves(tmp_path):
    assert not is_direct("m.parquet")
    assert not is_direct("s3://bucket/p.txt")
    assert not is_direct("gone")


def test_a_run_of_a_text_file_is_resumed_and_planned(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "p.txt").write_text("a dog\na cat\n")
    given = ["p.txt", "--emotions", "awe,fear", "--batch-size", 2]
    planned = drive.command("plan", *given, "--json")
    assert json.loads(planned.stdout)["requests"] == 4
    run = ["run", *given, "--engine", "null", "--executor", "local"]
    assert "4 requests" in drive.command(*run).stdout
    assert "was complete already" in drive.command(*run).stdout
    (tmp_path / "p.txt").write_text("a dog\na bird\n")
    changed = drive.command(*run)
    assert changed.returncode == 2
    assert drive.command("plan", "p.txt").returncode == 2
