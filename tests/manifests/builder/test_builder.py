"""From sources to a manifest: what is made, skipped, refused; and its bytes."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from manifests.builder.build import build
from manifests.builder.recipe import Recipe
from manifests.builder.sources.open import open_source
from manifests.check import ManifestError
from manifests.read import check
from muse.emotions import MIKELS


@pytest.fixture
def make(tmp_path, monkeypatch):
    """Makes a manifest of sources in `tmp_path`; gives its rows and the report."""
    monkeypatch.chdir(tmp_path)

    def _make(
        *sources, mapping=None, captioner=None, image_problem=None, output="m.parquet", **how
    ):
        opened = [open_source(str(source), mapping or {}) for source in sources]
        recipe = Recipe(MIKELS.labels, **how)
        built = build(opened, output, recipe, captioner, image_problem, force=True)
        # Whatever is made, a run accepts.
        checked = check(output, MIKELS.labels, 8, allow_columns=True)
        rows = pq.read_table(output).to_pylist()
        assert checked.rows == len(rows) == built.rows
        assert built.generate.total() + built.edit.total() == built.rows
        return rows, built

    return _make


def _picture(path, colour="red"):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 6), colour).save(path)
    return path


def test_prompts_are_crossed_with_emotions_and_blank_lines_are_reported(tmp_path, make):
    (tmp_path / "p.txt").write_bytes("\ufeffa dog\r\n\n  a café \n".encode())
    rows, built = make("p.txt", emotions="awe,fear")
    assert [(row["prompt"], row["emotion"]) for row in rows] == [
        ("a dog", "awe"), ("a dog", "fear"), ("a café", "awe"), ("a café", "fear"),
    ]  # fmt: skip
    assert dict(built.generate) == {"awe": 2, "fear": 2}
    assert built.notes == ["skipped 1: blank line (p.txt line 2)"]
    rows, built = make("p.txt")
    assert [set(row) for row in rows] == [{"prompt"}] * 2
    assert dict(built.generate) == {"": 2}


def test_an_image_of_two_sources_is_edited_for_both_with_a_warning(tmp_path, make):
    _picture(tmp_path / "photos" / "a.png")
    (tmp_path / "photos" / "a.txt").write_text("a dog")
    _picture(tmp_path / "photos" / "b.png")
    _picture(tmp_path / "mask.png", "white")
    lines = ["image,mask,prompt", *(f"photos/{name}.png,mask.png,a dog" for name in "ab")]
    (tmp_path / "t.csv").write_text("\n".join(lines))
    rows, built = make("photos", "t.csv")
    assert [(row["image"], row["mask"]) for row in rows] == [
        ("photos/a.png", None), ("photos/a.png", "mask.png"), ("photos/b.png", "mask.png"),
    ]  # fmt: skip
    warning = "kept 1: the image of an item of an earlier source; it is edited for both"
    assert built.warnings[1].startswith(warning)
    assert "(t.csv line 2)" in built.warnings[1]
    _, built = make("t.csv")
    assert built.warnings == []


def test_numbers_of_json_under_our_names_that_are_not_ours_stay_numbers(tmp_path, make):
    lines = [{"prompt": f"a dog {n}", "width": 640 + n, "height": 480, "id": n} for n in range(2)]
    (tmp_path / "p.jsonl").write_text("\n".join(map(json.dumps, lines)))
    rows, _ = make("p.jsonl", mapping={"id": ""})
    assert [(row["picture_width"], row["picture_height"]) for row in rows] == [
        (640, 480), (641, 480),
    ]  # fmt: skip
    assert [row["source_id"] for row in rows] == [0, 1]
    assert "id" not in rows[0]


def test_a_seed_that_decides_nothing_is_named(tmp_path, make):
    (tmp_path / "p.txt").write_text("a dog\n")
    assert make("p.txt", seed=7)[1].notes == [
        "--seed was not needed: only --balanced and --weights-column choose among items"
    ]
    assert make("p.txt", emotions="awe", balanced=True, seed=7)[1].notes == []


def test_mixtures_make_the_emotions_a_map(tmp_path, make):
    (tmp_path / "p.txt").write_text("a dog\n")
    rows, built = make("p.txt", emotions="awe,awe:0.6+fear:0.4", replicates=2)
    assert [row["emotion"] for row in rows] == [
        [("awe", 1.0)], [("awe", 1.0)], *[[("awe", 0.6), ("fear", 0.4)]] * 2,
    ]  # fmt: skip
    assert dict(built.generate) == {"awe": 2, "awe 0.6 + fear 0.4": 2}


def test_photographs_with_captions_beside_them(tmp_path, make):
    photos = tmp_path / "photos"
    for name in ("a.jpg", "b.png", "sub/c.webp", "d.png", "e.png"):
        _picture(photos / name)
    (photos / "a.txt").write_text("a red wall\n")
    (photos / "b.json").write_text('{"caption": "a wall", "emotion": "awe:0.5+fear:0.5", "w": 8}')
    (photos / "sub" / "c.caption").write_text("a door")
    (photos / "e.png").write_bytes(b"no image")
    (photos / "e.txt").write_text("what was lost")
    (photos / "notes.pdf").write_bytes(b"")
    (photos / "alone.txt").write_text("nothing")
    (photos / ".hidden").write_text("")
    broken = {"e.png"}
    rows, built = make(
        "photos", emotions="awe",
        image_problem=lambda image: "is broken" if image[-5:] in broken else None,
    )  # fmt: skip
    assert [(row["prompt"], row["image"]) for row in rows] == [
        ("a red wall", "photos/a.jpg"), ("a wall", "photos/b.png"), ("a door", "photos/sub/c.webp"),
    ]  # fmt: skip
    assert dict(built.edit) == {"awe": 2, "awe 0.5 + fear 0.5": 1}
    notes = "\n".join(built.notes)
    assert "photos: left out: keys of .json files w" in notes
    assert "skipped 1: image without a caption; write it to NAME.txt beside it" in notes
    assert "(photos/d.png)" in notes
    assert "skipped 1: image that cannot be used (photos/e.png: is broken)" in notes
    assert "skipped 1: caption without an image (photos/alone.txt)" in notes
    assert "skipped 1: no image by its name (photos/notes.pdf)" in notes
    assert "skipped 1: hidden file (photos/.hidden)" in notes


def test_images_without_captions_get_one_of_all_or_the_captioners(tmp_path, make):
    for number in range(3):
        _picture(tmp_path / "photos" / f"{number}.png")
    (tmp_path / "photos" / "1.txt").write_text("its own")
    rows, _ = make("photos", prompt="a place")
    assert [row["prompt"] for row in rows] == ["a place", "its own", "a place"]
    asked = []

    def captioner(images):
        asked.extend(images)
        return ["a wall ", ""]

    rows, built = make("photos", captioner=captioner)
    assert [row["prompt"] for row in rows] == ["a wall", "its own"]
    assert asked == [str(tmp_path / "photos" / name) for name in ("0.png", "2.png")]
    assert built.notes == ["skipped 1: image for which the captioner found no words (photos/2.png)"]


def test_paths_are_relative_below_the_manifest_and_absolute_elsewhere(tmp_path, make):
    photo = _picture(tmp_path / "data" / "photos" / "a.png")
    (tmp_path / "data" / "photos" / "a.txt").write_text("a wall")
    table = "prompt,image\nx,photos/a.png\ny,http://host/a.png\nz,\n"
    (tmp_path / "data" / "t.csv").write_text(table)
    rows, _ = make("data/photos", "data/t.csv", output="data/m.parquet")
    images = [row["image"] for row in rows]
    assert images == ["photos/a.png", "photos/a.png", "http://host/a.png", None]
    rows, _ = make("data/photos", "data/t.csv", output="other/m.parquet")
    assert [row["image"] for row in rows] == [str(photo)] * 2 + ["http://host/a.png", None]


def test_further_columns_and_ids_are_kept(tmp_path, make):
    lines = [
        {"id": 7, "caption": "a dog", "emotion": ["awe", "fear"], "seed": 3, "stars": 4.5},
        {"id": 8, "caption": "a cat", "emotion": {"awe": 1}, "tags": ["x"]},
    ]
    (tmp_path / "t.jsonl").write_text("\n".join(map(json.dumps, lines)))
    rows, built = make("t.jsonl", replicates=2)
    assert built.notes == ["t.jsonl: column 'caption' was taken as prompt"]
    assert [row["id"] for row in rows] == [
        "7-awe", "7-awe-2", "7-fear", "7-fear-2", "8-awe", "8-awe-2",
    ]  # fmt: skip
    assert [row["source_id"] for row in rows] == ["7"] * 4 + ["8"] * 2
    assert rows[0]["seed"] == rows[2]["seed"] == 3
    assert len({rows[0]["seed"], rows[1]["seed"]}) == 2
    assert (rows[0]["stars"], rows[4]["tags"]) == (4.5, ["x"])


def test_weights_and_balance(tmp_path, make):
    text = "prompt,weight,emotion\n" + "".join(f"p{n},{n % 4},\n" for n in range(8))
    (tmp_path / "t.csv").write_text(text)
    rows, built = make(
        "t.csv", emotions="awe,fear", weights_column="weight", replicates=9, limit=48
    )
    counts = {n: sum(row["prompt"] == f"p{n}" for row in rows) for n in range(8)}
    assert counts == {0: 0, 1: 4, 2: 8, 3: 12, 4: 0, 5: 4, 6: 8, 7: 12}
    rows, built = make("t.csv", emotions="all", balanced=True, limit=17)
    assert set(built.generate.values()) == {2}
    with pytest.raises(ManifestError, match=r"--balanced: needs an emotion for every row"):
        make("t.csv", balanced=True)
    with pytest.raises(
        ManifestError, match=r"--weights-column mass: no such column; .* are weight"
    ):
        make("t.csv", weights_column="mass")


def test_every_problem_of_a_source_is_named_by_place_and_column(tmp_path, make):
    text = "id,prompt,emotion,seed,w\n1,a dog,awee,,1\n1,\x07,awe,x,1\n2,a cat,awe+fear,-1,nan\n"
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(ManifestError) as caught:
        make("t.csv", weights_column="w")
    message = str(caught.value)
    assert message.startswith("t.csv: 7 problem(s)\n")
    assert "line 2, column 'emotion': unknown emotion 'awee'" in message
    assert "line 3, column 'id': '1' was used by t.csv line 2; ids must be unique" in message
    assert "line 3, column 'prompt': has the character U+0007" in message
    assert "line 3, column 'seed': is 'x'; give an integer" in message
    assert "line 4, column 'seed': is -1" in message
    assert "line 4, column 'w': is 'nan'; give a number of at least 0" in message
    assert not (tmp_path / "m.parquet").exists()


def test_a_wrong_guess_is_named_with_the_problems_that_it_makes(tmp_path, make):
    (tmp_path / "t.csv").write_text("prompt,label\na dog,animal\n")
    with pytest.raises(ManifestError, match="unknown emotion 'animal'") as caught:
        make("t.csv")
    assert "column 'label' was taken as emotion (--map emotion= leaves it" in str(caught.value)
    rows, _ = make("t.csv", mapping={"emotion": ""})
    assert rows == [{"prompt": "a dog", "label": "animal"}]


def test_half_a_character_is_refused_by_place(tmp_path, make):
    (tmp_path / "t.jsonl").write_text('{"prompt": "a \\ud800 dog"}\n')
    with pytest.raises(ManifestError, match=r"line 1, column 'prompt': .* has half a character"):
        make("t.jsonl")


def test_a_balanced_limit_below_one_row_each_is_refused(tmp_path, make):
    (tmp_path / "p.txt").write_text("a dog\n")
    with pytest.raises(ManifestError, match=r"--limit 5 is less than one row for each .* are 8"):
        make("p.txt", emotions="all", balanced=True, limit=5)


def test_options_that_no_item_needed_are_told(tmp_path, make):
    (tmp_path / "t.csv").write_text("prompt,emotion\na dog,awe\n")
    _, built = make("t.csv", emotions="fear", prompt="a place", captioner=lambda images: [])
    assert built.notes == [
        f"{option} was not needed: every item has its own"
        for option in ("--captioner", "--emotions", "--prompt")
    ]


def test_a_table_without_a_prompt_says_how_to_name_it(tmp_path, make):
    (tmp_path / "t.csv").write_text("what,emotion\na dog,awe\n")
    with pytest.raises(ManifestError, match=r"nothing to make\n.*name its column by --map prompt"):
        make("t.csv")
    rows, _ = make("t.csv", mapping={"prompt": "what"})
    assert rows == [{"prompt": "a dog", "emotion": "awe"}]


def test_the_bytes_are_the_same_again(tmp_path, make):
    (tmp_path / "t.csv").write_text("prompt,x\n" + "".join(f"p{n},{n}\n" for n in range(50)))
    make("t.csv", emotions="all", balanced=True, limit=40, seed=5)
    first = (tmp_path / "m.parquet").read_bytes()
    make("t.csv", emotions="all", balanced=True, limit=40, seed=5)
    assert (tmp_path / "m.parquet").read_bytes() == first


def test_images_as_bytes_and_as_paths_go_together(tmp_path, make):
    data = _picture(tmp_path / "a.png").read_bytes()
    pq.write_table(pa.table({"text": ["x"], "image": [data]}), tmp_path / "t.parquet")
    _picture(tmp_path / "photos" / "b.png")
    rows, _ = make("t.parquet", "photos", prompt="a wall")
    assert [row["image"] for row in rows] == [
        {"bytes": data, "path": None}, {"bytes": None, "path": "photos/b.png"},
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("output", "problem"),
    [
        ("m.csv", "ends in .parquet"),
        ("s3://b/m.parquet", "is a URL"),
        ("folder.parquet", "is a folder"),
        ("there.parquet", "exists; give --force"),
    ],
)
def test_an_output_that_cannot_be_written_is_refused(tmp_path, monkeypatch, output, problem):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder.parquet").mkdir()
    (tmp_path / "there.parquet").write_bytes(b"mine")
    (tmp_path / "p.txt").write_text("a dog")
    with pytest.raises(ManifestError, match=problem):
        build([open_source("p.txt", {})], output, Recipe(MIKELS.labels))
    assert (tmp_path / "there.parquet").read_bytes() == b"mine"


def test_what_makes_nothing_is_refused_with_the_reasons(tmp_path, make):
    (tmp_path / "p.txt").write_text("\n\n")
    with pytest.raises(ManifestError, match=r"p.txt: nothing to make\n.*blank line"):
        make("p.txt")
    assert [path.name for path in tmp_path.iterdir()] == ["p.txt"]


@pytest.mark.parametrize(
    ("name", "content", "options", "reason"),
    [
        ("t.csv", b"prompt,w\n", {}, "t.csv holds no item: it has no row, line or sample"),
        ("t.tar", bytes(10240), {}, "t.tar holds no item: it has no row, line or sample"),
        ("t.txt", b"", {}, "t.txt holds no item: it has no row, line or sample"),
        (
            *("t.csv", b"prompt,w\na dog,0\na cat,0\n"),
            *({"weights_column": "w"}, "--weights-column w: every item has the weight 0"),
        ),
        (
            *("t.csv", b"prompt,emotion,w\na dog,awe,0\na cat,fear,1\n"),
            *({"weights_column": "w", "balanced": True}, "every item of awe has the weight 0"),
        ),
    ],
)
def test_sources_of_nothing_say_why(tmp_path, make, name, content, options, reason):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ManifestError, match=f"{name}: nothing to make\n.*{reason}"):
        make(name, **options)


def test_items_with_reasons_of_their_own_are_all_named(tmp_path, make):
    (tmp_path / "t.csv").write_text("prompt,emotion\na dog,awe\n" + "a cat,sadd\n" * 9)
    _, built = make("t.csv", skip_bad=True)
    (line,) = [note for note in built.notes if "item with a problem" in note]
    first, *others = line.split("\n")
    assert first == "skipped 9: item with a problem"
    assert [other.partition(":")[0] for other in others] == [
        f"  t.csv line {number}" for number in range(3, 12)
    ]


def test_columns_of_two_sources_that_do_not_go_together_are_named(tmp_path, make):
    (tmp_path / "a.jsonl").write_text('{"prompt": "x", "n": 1}')
    (tmp_path / "b.jsonl").write_text('{"prompt": "x", "n": ["1"]}')
    with pytest.raises(ManifestError, match=r"column 'n': is list.*but int64 in another source"):
        make("a.jsonl", "b.jsonl")


BAD_LINES = """
{"prompt": "a", "id": "x"}
{"prompt": "b", "id": "x"}
{"prompt": "c", "prompt": "d"}
{"prompt": "e", "emotion": "awee"}
{"prompt": "f\\u0007"}
{"prompt": "g"}
"""


def test_all_that_is_wrong_is_named_with_a_way_around_it(tmp_path, make):
    (tmp_path / "t.jsonl").write_text(BAD_LINES.strip())
    with pytest.raises(ManifestError) as refused:
        make("t.jsonl")
    message = str(refused.value)
    for line, what in ((2, "column 'id'"), (3, "has the key"), (4, "column 'emotion'")):
        assert f"line {line}" in message
        assert what in message
    assert "line 5, column 'prompt': has the character U+0007" in message
    assert "note: --skip-bad of `manifest build` leaves such items out" in message


def test_items_with_problems_are_left_out_if_that_is_wanted(tmp_path, make):
    (tmp_path / "t.jsonl").write_text(BAD_LINES.strip())
    rows, built = make("t.jsonl", skip_bad=True)
    assert [row["prompt"] for row in rows] == ["a", "g"]
    (note,) = built.notes
    assert note.startswith("skipped 4: item with a problem (t.jsonl line 2: column 'id' 'x' was us")
    assert "t.jsonl line 3: has the key 'prompt' twice; write it once, " in note


def test_one_bad_caption_does_not_refuse_a_folder(tmp_path, make):
    for name in ("a", "b", "c"):
        _picture(tmp_path / "photos" / f"{name}.png", (name == "a" and "red") or "blue")
        (tmp_path / "photos" / f"{name}.txt").write_bytes(b"a wall" if name == "a" else b"\xe9")
    with pytest.raises(ManifestError) as refused:
        make("photos")
    assert "  b.png: its .txt is not UTF-8" in str(refused.value)
    assert "  c.png: its .txt is not UTF-8" in str(refused.value)
    rows, _ = make("photos", skip_bad=True)
    assert [row["image"] for row in rows] == ["photos/a.png"]


def test_a_table_without_prompts_is_refused_with_its_columns(tmp_path, make):
    (tmp_path / "t.csv").write_text("title,body\nx,y\n")
    with pytest.raises(ManifestError, match=r"or give --prompt; its columns are title, body \("):
        make("t.csv")


def test_more_rows_than_anybody_needs_are_refused_at_once(tmp_path, make):
    (tmp_path / "p.txt").write_text("a dog\n")
    message = "--replicates 90000000: would be 90,000,000 rows, of which at most 10,000,000 can"
    for how in ({}, {"emotions": "awe", "balanced": True}):
        with pytest.raises(ManifestError, match=message):
            make("p.txt", replicates=90_000_000, **how)
    assert len(make("p.txt", replicates=90_000_000, limit=3)[0]) == 3


def test_lines_may_end_in_any_way(tmp_path, make):
    (tmp_path / "p.txt").write_bytes(b"\xef\xbb\xbfa dog\ra cat\r\na cow\n")
    assert [row["prompt"] for row in make("p.txt")[0]] == ["a dog", "a cat", "a cow"]


def test_objects_without_a_field_are_refused_by_column(tmp_path, make):
    (tmp_path / "e.jsonl").write_text('{"prompt": "a dog", "x": {}}\n')
    with pytest.raises(ManifestError, match="column x: its objects are empty; leave the column"):
        make("e.jsonl", emotions="awe")
