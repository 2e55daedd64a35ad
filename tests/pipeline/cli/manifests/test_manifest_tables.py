"""What `manifest show` and `manifest check` print."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from tests.support import drive


@pytest.fixture
def manifest(tmp_path):
    Image.new("RGB", (6, 4)).save(tmp_path / "a.png")
    columns = {
        "prompt": ["a dog", "a dog", "a dgo " * 20, *(f"w{n}x" for n in range(130))],
        "emotion": ["awe"] * 133,
        "image": ["a.png", "a.png", *[None] * 131],
    }
    pq.write_table(pa.table(columns), tmp_path / "m.parquet")
    return tmp_path / "m.parquet"


def _lines(done):
    return [" ".join(line.split()) for line in done.stdout.splitlines()]


def test_show_counts_emotions_cut_prompts_words_repetitions_and_sizes(manifest):
    done = drive.command("manifest", "show", manifest)
    assert done.returncode == 0, done.stderr
    lines = _lines(done)
    assert lines[:2] == ["Requests by emotion generate edit", "awe 131 2"]
    assert "repeated rows 1: row 1 repeats row 0" in lines
    assert "Prompts that are cut, by tokens rows" in lines
    assert lines[lines.index("Prompts that are cut, by tokens rows") + 1] == "21 to 100 1"
    title = "Words the embedded model does not know, with the number of their rows: "
    listed = " ".join(lines).partition(title)[2].partition(" The others")[0].strip().split(", ")
    assert listed[0] == "dgo (dog?) 1"
    assert len(listed) == 100
    # Each of the others is named all the same, in order.
    others = " ".join(lines).partition("The others: ")[2].partition(" The embedded")[0]
    named = others.split(", ")
    assert len(named) == 31
    assert named[-1].strip() == "w9x"
    assert any(
        line.startswith("The embedded model draws one of 32 subjects in one of 24 ")
        for line in lines
    )
    place = lines.index("Prompts")
    assert lines[place + 1] == "row 0 a dog"
    assert lines[place + 2].startswith("row 2 a dgo a dgo")
    assert "6 x 4 2" in lines
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_check_lists_problems_and_ends_with_2_or_says_ok(manifest):
    done = drive.command("manifest", "check", manifest)
    assert done.returncode == 0
    assert done.stdout == f"{manifest}: OK; checked 133 row(s), 2 local image(s)\n"
    assert "warning: the prompts of 1 row(s) are longer" in done.stderr
    (manifest.parent / "a.png").unlink()
    done = drive.command("manifest", "check", manifest)
    assert done.returncode == 2
    assert f"{manifest}: 2 problem(s)\n  row 0, column 'image': image 'a.png' does" in done.stderr


def test_prompts_are_measured_by_the_model_that_is_named(manifest):
    done = drive.command("manifest", "show", manifest, "--model", "owner/name")
    assert done.returncode == 0, done.stderr
    assert "Prompts that are cut" not in done.stdout
    assert "does not know" not in done.stdout
