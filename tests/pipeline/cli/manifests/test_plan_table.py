"""What `plan` prints for people."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from tests.support import drive


def _plan(tmp_path, columns, *options):
    pq.write_table(pa.table(columns), tmp_path / "m.parquet")
    done = drive.command("plan", tmp_path / "m.parquet", "--engine", "null", *options)
    return done, [" ".join(line.split()) for line in done.stdout.splitlines()]


def test_requests_by_emotion_and_task_batches_shards_and_images(tmp_path):
    for name, size in {"a.png": (8, 8), "b.png": (12, 8)}.items():
        Image.new("RGB", size).save(tmp_path / name)
    columns = {
        "prompt": ["a dog"] * 3,
        "emotion": [["fear", "awe"], ["awe"], None],
        "image": ["a.png", "b.png", None],
    }
    done, lines = _plan(tmp_path, columns, "--emotions", "awe,anger", "--batch-size", 2)
    assert done.returncode == 0, done.stderr
    assert lines[:5] == [
        "Requests by emotion generate edit", "awe 1 2", "anger 1 0", "fear 0 1", "all 2 3",
    ]  # fmt: skip
    assert "batches 3 of up to 2 requests" in lines
    assert "shards at most 1, of up to 1,000 samples" in lines
    assert any(line.endswith("if all are accepted (an estimate)") for line in lines)
    facts = "source images 2 row(s) with a local one, the edges of 1 are cut off"
    assert facts in " ".join(lines)
    assert "8 x 8 1" in lines
    assert "\x1b" not in done.stdout
    *tables, last = done.stdout.splitlines()
    assert max(map(len, tables)) <= 80
    # A command is not broken, so that it can be copied.
    assert last.startswith(
        f"Next: muse-batch run {tmp_path / 'm.parquet'} --output out --engine nu"
    )


def test_many_mixtures_are_summed_up(tmp_path):
    kind = pa.map_(pa.string(), pa.float64())
    labels = [
        "amusement",
        "awe",
        "contentment",
        "excitement",
        "anger",
        "disgust",
        "fear",
        "sadness",
    ]
    pairs = [[(a, 0.5), (b, 0.5)] for a in labels for b in labels if a < b]
    columns = {"prompt": ["a dog"] * len(pairs), "emotion": pa.array(pairs, kind)}
    done, lines = _plan(tmp_path, columns)
    assert done.returncode == 0, done.stderr
    assert f"all {len(pairs)} 0" in lines
    assert f"other mixtures ({len(pairs) - 20}) {len(pairs) - 20} 0" in lines


def test_generated_images_of_several_sizes_have_a_table(tmp_path):
    columns = {"prompt": ["a dog"] * 3, "emotion": ["awe"] * 3}
    sides = {"width": [64, 416, None], "height": [32, 416, None]}
    done, lines = _plan(tmp_path, columns | sides)
    assert done.returncode == 0, done.stderr
    assert "images 64 x 32 to 416 x 416 pixels (3 sizes), png" in lines
    place = lines.index("Generated images by size requests")
    assert lines[place + 1 : place + 4] == ["64 x 32 1", "64 x 64 1", "416 x 416 1"]
    _, lines = _plan(tmp_path, columns)
    assert "images 64 x 64 pixels, png" in lines
    assert not any(line.startswith("Generated images") for line in lines)


def test_edits_of_another_aspect_than_the_models_are_not_said_to_be_square(tmp_path):
    Image.new("RGB", (200, 100)).save(tmp_path / "a.png")
    row = {"prompt": ["a dog in a forest"], "emotion": ["awe"], "image": ["a.png"]}
    pq.write_table(pa.table(row), tmp_path / "m.parquet")
    done = drive.command("plan", tmp_path / "m.parquet")
    lines = [" ".join(line.split()) for line in done.stdout.splitlines()]
    assert done.returncode == 0, done.stderr
    assert "160 x 96 1" in lines[lines.index("Edits by size (embedded model) rows") :]
    assert "images 128 x 128 pixels; edits as listed below, png" in lines


def test_machines_get_all_numbers(tmp_path):

    done, _ = _plan(tmp_path, {"prompt": ["a dog"]}, "--json")
    numbers = json.loads(done.stdout)
    assert numbers["requests"] == sum(numbers["generate"].values()) == 8
    assert numbers["forecast"] is None
    assert numbers["disk_estimate"]["size"] == {"width": 64, "height": 64}


def test_edits_with_a_mask_are_counted_for_people_and_machines(tmp_path):
    """A row of several emotions is as many edits; what is generated has none."""
    for name in ("a.png", "mask.png"):
        Image.new("RGB", (64, 64), "white").save(tmp_path / name)
    columns = {
        "prompt": ["a dog"] * 3,
        "emotion": [["awe", "fear"], ["awe"], ["awe"]],
        "image": ["a.png", "a.png", None],
        "mask": ["mask.png", None, None],
    }
    _, lines = _plan(tmp_path, columns)
    assert "masks 2 of 3 edits have one" in lines
    done, _ = _plan(tmp_path, columns, "--json")
    assert json.loads(done.stdout)["masked_edits"] == 2
    # A limit leaves one of them.
    done, _ = _plan(tmp_path, columns, "--json", "--limit", 1)
    assert json.loads(done.stdout)["masked_edits"] == 1
    _, lines = _plan(tmp_path, columns | {"mask": [None] * 3})
    assert not any(line.startswith("masks") for line in lines)
