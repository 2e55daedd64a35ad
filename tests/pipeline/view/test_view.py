"""Rows, pictures and sources of a corpus, complete or in progress."""

import io
import json
import os
import shutil
import tarfile
from pathlib import Path

import pytest
from PIL import Image

from muse.images import decode
from pipeline.errors import UserError
from pipeline.report.build import write_report
from pipeline.scheduling.executors.local_executor import LocalExecutor
from pipeline.storage.remote import Remote
from pipeline.view.browser import Browser
from pipeline.view.pictures import Pictures
from pipeline.view.rows import finished_rows
from pipeline.view.sample import as_text, find_sample
from pipeline.view.sources import SourceFinder
from pipeline.view.thumbnails import outlined, thumbnail_of
from tests.support import drive
from tests.support.corpora import rows_of
from tests.support.local_runs import run_locally, write_rows


@pytest.fixture
def unfinished(tmp_path):
    """A run of 30 requests that stopped after its fifth batch of four; shards hold five samples."""

    def stop(task):
        if task.batch.number == 5:
            raise KeyboardInterrupt

    manifest, out = write_rows(tmp_path / "m.parquet", 30), tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        run_locally(manifest, out, LocalExecutor(before_task=stop), min_confidence=0.3)
    return manifest, out


def test_rows_of_a_complete_corpus_are_its_metadata(make_corpus):
    out = make_corpus()
    rows = finished_rows(out)
    expected = rows_of(out)
    assert rows.count == len(expected)
    assert rows.column("similarity").to_pylist() == [row["similarity"] for row in expected]
    taken = rows.take([29, 0, 7, 99])
    assert {position: row for position, (_, row) in taken.items()} == {
        position: expected[position] for position in (0, 7, 29)
    }
    assert rows.position_of(expected[11]["key"]) == 11
    assert rows.position_of("nothing") is None


def test_rows_of_a_run_in_progress_are_those_of_its_shards_and_batches(unfinished):
    manifest, out = unfinished
    rows = finished_rows(out)
    keys = rows.column("key").to_pylist()
    assert keys == [f"{number:012d}" for number in range(20)]
    assert {part.batch is None for part in rows.parts} == {True, False}
    before = {position: row for position, (_, row) in rows.take(range(20)).items()}
    run_locally(manifest, out, min_confidence=0.3)
    after = rows_of(out)
    for position, row in before.items():
        changed = {name for name in row if row[name] != after[position][name]}
        assert changed <= {"shard", "file"}


def test_pictures_are_read_from_tars_and_from_batches(unfinished):
    _, out = unfinished
    rows, pictures = finished_rows(out), Pictures(out)
    for part, row in rows.take(range(20)).values():
        encoded = pictures.encoded(part, row)
        assert (encoded is None) == (row["status"] != "accepted")
        if encoded is not None:
            assert decode(encoded).size == (64, 64)
            assert thumbnail_of(encoded, 16)[8:12] == b"WEBP"


def test_a_picture_is_that_of_the_tar(make_corpus):
    out = make_corpus()
    rows, pictures = finished_rows(out), Pictures(out)
    for part, row in rows.take(range(30)).values():
        if row["shard"]:
            with tarfile.open(out / row["shard"]) as tar:
                assert pictures.encoded(part, row) == tar.extractfile(row["file"]).read()


def test_the_members_of_a_tar_are_those_that_tarfile_finds(make_corpus):
    out = make_corpus()
    for path in (out / "shards").glob("*.tar"):
        with tarfile.open(path) as tar:
            expected = {info.name: (info.offset_data, info.size) for info in tar}
        members = Pictures(out).members(f"shards/{path.name}")
        assert {name: (m.offset, m.size) for name, m in members.items()} == expected


@pytest.mark.parametrize("size", [0, 100, 5000, 5120])
def test_a_truncated_tar_is_named(make_corpus, size):
    out = make_corpus()
    tar = out / "shards" / "00000000.tar"
    tar.write_bytes(tar.read_bytes()[:size])
    with pytest.raises(UserError, match=r"00000000\.tar is damaged"):
        Pictures(out).members("shards/00000000.tar")


@pytest.mark.parametrize("name", ["../secret.tar", "/etc/passwd", "shards/../../x.tar", "x"])
def test_nothing_but_the_tars_of_the_corpus_is_opened(make_corpus, name):
    out = make_corpus()
    with pytest.raises(UserError, match="is not the name of a shard"):
        Pictures(out).members(name)


def test_a_sample_is_found_with_the_place_of_its_files(make_corpus):
    out = make_corpus()
    row = next(row for row in rows_of(out) if row["status"] == "accepted")
    sample = find_sample(out, row["key"])
    assert sample.row == row
    data = (out / row["shard"]).read_bytes()
    member = sample.members[row["file"]]
    assert data[member.offset : member.offset + member.size] == sample.image
    assert f"bytes from byte {member.offset:,} of the tar" in as_text(sample)


def test_a_key_may_be_given_without_its_zeros(make_corpus):
    assert find_sample(make_corpus(), "7").row["key"] == "000000000007"


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("²", "has no key ²"),
        ("9" * 5000, "has no key 999"),
        ("999", "its keys are 000000000000 to 000000000029"),
        ("x" * 500, "has no key xxx"),
    ],
)
def test_a_wrong_key_is_refused_with_the_right_ones(make_corpus, key, message):
    done = drive.command("show", make_corpus(), key)
    assert done.returncode == 2
    assert message in done.stderr
    assert len(done.stderr) < 400


def test_a_request_that_is_not_finished_is_named_as_such(unfinished):
    done = drive.command("show", unfinished[1], "000000000029")
    assert "request 000000000029 is planned, but not finished yet" in done.stderr


def test_show_prints_json_and_keeps_the_terminal_safe(make_corpus):
    row = {"prompt": "a dog " + "x" * 5000, "emotion": "awe", "note": "\x1b[31m\x9b\u202e"}
    out = make_corpus(rows=[row])
    done = drive.command("show", out, "000000000000")
    assert "\x1b" not in done.stdout
    assert "5,006 characters" in done.stdout
    shown = json.loads(drive.command("show", out, "000000000000", "--json").stdout)
    assert {name: shown["row"][name] for name in row} == row


def test_a_source_image_is_found_in_a_folder_or_in_the_manifest(tmp_path):
    picture = (drive.IMAGES / "railroad.png").read_bytes()
    for name, image in (("path", str(drive.IMAGES / "railroad.png")), ("bytes", picture)):
        manifest = write_rows(tmp_path / f"{name}.parquet", 2, image=[image] * 2)
        out = tmp_path / name
        run_locally(manifest, out)
        rows = finished_rows(out)
        finder = SourceFinder(rows.run, out)
        for _, row in rows.take([0, 1]).values():
            found = finder.source(row)
            assert found.image.tobytes() == decode(picture).tobytes()
        elsewhere = SourceFinder(rows.run, out, str(tmp_path / "nowhere" / "m.parquet"))
        _, row = rows.take([0])[0]
        assert (elsewhere.source(row).image is None) == (name == "bytes")


def test_a_corpus_is_looked_at_in_another_folder_than_it_was_made_in(tmp_path, monkeypatch):
    """The manifest was given by a relative path, and so were its images."""
    (tmp_path / "photos").mkdir()
    shutil.copy(drive.IMAGES / "railroad.png", tmp_path / "photos" / "a.png")
    write_rows(tmp_path / "m.parquet", 1, image=["photos/a.png"])
    out = tmp_path / "made" / "out"
    monkeypatch.chdir(tmp_path)
    run_locally(Path("m.parquet"), Path("made/out"), min_confidence=0.0)
    for place in (tmp_path, tmp_path / "made", out, Path("/")):
        monkeypatch.chdir(place)
        given = Path(os.path.relpath(out))
        rows = finished_rows(given)
        found = SourceFinder(rows.run, given).source(rows.take([0])[0][1])
        assert found.image is not None, found.reason
    (tmp_path / "m.parquet").unlink()
    found = SourceFinder(rows.run, given).source(rows.take([0])[0][1])
    assert "--manifest says where the manifest is now" in found.reason


def _masked(tmp_path, **settings):
    """A corpus of one edit whose left half may change; its source is grey and cropped at the
    sides."""
    Image.new("RGB", (96, 64), (128, 128, 128)).save(tmp_path / "a.png")
    mask = Image.new("L", (96, 64))
    mask.paste(255, (0, 0, 48, 64))
    mask.save(tmp_path / "mask.png")
    columns = {"image": ["a.png"], "mask": ["mask.png"]}
    manifest = write_rows(tmp_path / "m.parquet", 1, **columns)
    run_locally(manifest, tmp_path / "out", min_confidence=0.0, **settings)
    return tmp_path / "out"


@pytest.mark.parametrize(("settings", "size"), [({}, (64, 64)), ({"restore_size": True}, (96, 64))])
def test_the_mask_of_an_edit_lies_over_its_source(tmp_path, settings, size):
    out = _masked(tmp_path, resize="crop", **settings)
    rows = finished_rows(out)
    row = rows.take([0])[0][1]
    found = SourceFinder(rows.run, out).source(row)
    assert found.image.size == found.mask.size == size
    middle = size[0] // 2
    edges = [found.mask.getpixel((x, 20)) for x in (0, middle - 1, middle, size[0] - 1)]
    assert edges == [255, 255, 0, 0]
    # Another mask than the one that was used is not shown, nor is a missing one.
    Image.new("L", (96, 64), 255).save(tmp_path / "mask.png")
    assert SourceFinder(rows.run, out).source(row).mask is None
    (tmp_path / "mask.png").unlink()
    without = SourceFinder(rows.run, out).source(row)
    assert (without.mask, without.reason) == (None, "")


def test_a_mask_in_the_manifest_is_shown(tmp_path):
    mask = io.BytesIO()
    Image.new("L", (64, 64), 255).save(mask, "PNG")
    image = str(drive.IMAGES / "railroad.png")
    manifest = write_rows(tmp_path / "m.parquet", 1, image=[image], mask=[mask.getvalue()])
    run_locally(manifest, tmp_path / "out")
    rows = finished_rows(tmp_path / "out")
    found = SourceFinder(rows.run, tmp_path / "out").source(rows.take([0])[0][1])
    assert found.mask.getextrema() == (255, 255)


def test_pages_outline_a_mask_in_the_source_and_say_so(tmp_path):
    out = _masked(tmp_path, resize="crop")
    html = write_report(out).read_text()
    assert '<span class="side">source, mask outlined</span>' in html
    browser = Browser(out, out / "flags.parquet")
    assert browser.sample(0)["source"] == {"found": True, "reason": "", "outlined": True}
    shown = Image.open(io.BytesIO(browser.source(0, 1024))).convert("L")
    inside, outside = shown.getpixel((16, 20)), shown.getpixel((48, 20))
    assert abs(inside - 128) < 10
    assert abs(outside - 128) < 10
    # WebP blurs the line, which is a pixel wide.
    assert shown.getpixel((31, 20)) > 160 > 96 > shown.getpixel((30, 20))


def test_an_outline_is_closed_also_along_the_edges():
    mask = Image.new("L", (600, 400))
    mask.paste(255, (0, 0, 300, 400))
    line = outlined(Image.new("RGB", (600, 400), "grey"), mask).convert("L")
    row = [line.getpixel((x, 200)) for x in (0, 1, 2, 3, 4, 295, 296, 297, 298, 299, 300)]
    assert row == [255, 255, 0, 0, 128, 128, 0, 0, 255, 255, 128]
    column = [line.getpixel((100, y)) for y in (0, 3, 4, 396, 399)]
    assert column == [255, 0, 128, 0, 255]


def test_a_source_on_the_web_is_not_fetched_again(make_corpus):
    out = make_corpus()
    rows = finished_rows(out)
    row = {**rows.take([0])[0][1], "source_image": "https://a.b/c.png", "source_sha256": "0" * 64}
    found = SourceFinder(rows.run, out).source(row)
    assert found.image is None
    assert "images.schemes does not allow 'https'" in found.reason


def test_on_an_object_store_pictures_are_read_by_ranges(make_corpus, monkeypatch):
    out = make_corpus()
    there = Remote("memory://viewed/out")
    for path in out.rglob("*"):
        if path.is_file():
            (there / path.relative_to(out).as_posix()).put(path.read_bytes())
    rows = finished_rows(there)
    assert [row for _, row in rows.take(range(30)).values()] == rows_of(out)
    monkeypatch.setattr(Remote, "open", lambda *_: pytest.fail("a whole object was fetched"))
    here, pictures, shown = finished_rows(out), Pictures(there), 0
    for position, (part, row) in rows.take(range(30)).items():
        expected = Pictures(out).encoded(*here.take([position])[position])
        assert pictures.encoded(part, row) == expected
        shown += expected is not None
    assert shown
    assert rows.column("key").to_pylist() == [row["key"] for row in rows_of(out)]


def _emptied(data: bytes) -> bytes:
    return b""


def _halved(data: bytes) -> bytes:
    return data[: len(data) // 2]


def _flipped(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]


@pytest.mark.parametrize("damage", [_emptied, _halved, _flipped, None])
@pytest.mark.parametrize("complete", [True, False])
def test_damage_is_named_or_does_not_matter(
    make_corpus, unfinished, tmp_path, monkeypatch, damage, complete
):
    """Every file of an output, damaged in turn: what is shown is right, or the file is named."""
    monkeypatch.chdir(tmp_path)
    out = make_corpus("whole") if complete else unfinished[1]
    rows = finished_rows(out)
    expected = {row["key"]: row for _, row in rows.take(range(rows.count)).values()}
    key = next(key for key, row in expected.items() if row["status"] == "accepted")
    picture = find_sample(out, key).image
    refusals: list[tuple[Path, str]] = []
    for path in [path for path in out.rglob("*") if path.is_file()]:
        data = path.read_bytes()
        if damage is None:
            path.unlink()
        else:
            path.write_bytes(damage(data))
        try:
            sample = find_sample(out, key)
            changed = {name for name in sample.row if sample.row[name] != expected[key][name]}
            assert changed == set(), path
            if path.name.endswith(".tar") and damage is _flipped:
                assert sample.image is not None
            else:
                assert sample.image == picture, path
        except UserError as error:
            refusals.append((path, str(error)))
        path.write_bytes(data)
    assert len(refusals) >= 5
    for path, text in refusals:
        assert path.name in text or _follows(path, text)


def _follows(path, message: str) -> bool:
    """Whether a message names the file whose place is known from the others: a batch, a marker."""
    return path.parent.parent.name == "batches" and "not finished yet" in message
