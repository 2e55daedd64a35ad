"""The commands on manifests, as a user calls them."""

import json

import pyarrow.parquet as pq
import pytest
from PIL import Image

from tests.support import drive


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "prompts.txt").write_text("a dog on a beach\n\na car in a city\n")
    (tmp_path / "photos").mkdir()
    Image.new("RGB", (8, 6)).save(tmp_path / "photos" / "a.png")
    (tmp_path / "photos" / "b.png").write_bytes(b"no image")
    return tmp_path


def test_build_prints_what_it_made_by_emotion_and_task(here):
    done = drive.command(
        "manifest", "build", "prompts.txt", "photos", "--prompt", "a place",
        "--emotions", "awe,fear,awe:0.6+fear:0.4", "-o", "m.parquet",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    lines = [line.split() for line in done.stdout.splitlines()]
    assert "m.parquet: 9 row(s) of 3 item(s)" in done.stdout
    assert ["awe", "2", "1"] in lines
    assert ["awe", "0.6", "+", "fear", "0.4", "2", "1"] in lines
    assert ["all", "6", "3"] in lines
    assert "skipped 1: blank line (prompts.txt line 2)" in done.stdout
    assert done.stderr.startswith("warning: skipped 1: image that cannot be used (photos/b.png: ")
    assert "\x1b" not in done.stdout
    table = done.stdout.partition("all ")[0]
    assert max(map(len, table.splitlines())) <= 80


def test_masks_are_checked_and_named_by_a_column_or_beside_the_photograph(here):
    for name, size in {"photos/c.png": (8, 6), "white.png": (8, 6), "tall.png": (6, 8)}.items():
        Image.new("RGB", size, "white").save(here / name)
    (here / "photos" / "b.png").unlink()
    (here / "photos" / "sub").mkdir()
    Image.new("RGB", (8, 6)).save(here / "photos" / "sub" / "d.png")
    masks = {"a": "../white.png", "c": "../tall.png", "sub/d": "../../white.png"}
    for name, mask in masks.items():
        caption = json.dumps({"caption": "a dog", "mask": mask})
        (here / "photos" / f"{name}.json").write_text(caption)
    table = ["image,mask,prompt,emotion", "photos/a.png,white.png,a dog,awe"]
    table += ["photos/c.png,gone.png,a cat,awe"]
    (here / "t.csv").write_text("\n".join(table))
    done = drive.command("manifest", "build", "photos", "t.csv", "-o", "m.parquet")
    assert done.returncode == 0, done.stderr
    rows = pq.read_table("m.parquet").to_pylist()
    assert [(row["image"], row["mask"]) for row in rows] == [
        ("photos/a.png", "white.png"),
        ("photos/sub/d.png", "white.png"),
        ("photos/a.png", "white.png"),
    ]
    skipped, twice = done.stderr.splitlines()
    assert skipped.startswith("warning: skipped 2: image that cannot be used (photos/c.png: mask: ")
    assert "tall.png' has 6 x 8 pixels, another shape than its image" in skipped
    assert "t.csv line 3: mask: image " in skipped
    assert "gone.png' does not exist" in skipped
    assert twice.startswith("warning: kept 1: ")
    assert twice.endswith("(t.csv line 2)")
    assert drive.command("manifest", "check", "m.parquet").returncode == 0


def test_a_column_that_plan_would_refuse_is_told_of_at_once(here):
    (here / "t.csv").write_text("prompt,mood\na dog,calm\n")
    done = drive.command("manifest", "build", "t.csv", "--map", "emotion=", "-o", "m.parquet")
    message = "column 'mood': is not read, but resembles 'emotion'; rename it, drop it"
    assert done.stderr.startswith(f"warning: {message}")
    assert message in drive.command("plan", "m.parquet").stderr


def test_a_large_manifest_says_how_far_it_is(here, monkeypatch):
    monkeypatch.setattr("pipeline.cli.manifests.manifests.LINE_SECONDS", 0.0)
    monkeypatch.setattr("manifests.builder.build.ROWS_BETWEEN_CALLS", 6)
    done = drive.command("manifest", "build", "prompts.txt", "-o", "m.parquet", "--replicates", 7)
    assert done.stderr == "6 rows written\n12 rows written\n"


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (["--emotions", "joy"], "unknown emotion 'joy'"),
        (["--map", "caption"], "write OURS=THEIRS"),
        (["--map", "prompt=caption"], "--map prompt=caption: a .txt has no columns"),
        (["--taxonomy", "mikel"], "unknown taxonomy 'mikel'; did you mean 'mikels-8'"),
        (["--captioner", "gone"], "--captioner gone: is not the folder of a model"),
        (["--weights-column", "w"], "no such column"),
        (["--replicates", "0"], "greater than or equal to 1"),
    ],
)
def test_mistakes_end_with_exit_code_2_and_write_nothing(here, options, problem):
    done = drive.command("manifest", "build", "prompts.txt", "-o", "m.parquet", *options)
    assert done.returncode == 2
    assert problem in done.stderr
    assert not (here / "m.parquet").exists()
