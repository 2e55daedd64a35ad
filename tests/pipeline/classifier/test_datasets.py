"""Labelled images as they are on real disks: what is read, what is ignored, and what is refused by
name."""

import io
import json
import os
import shutil
import tarfile

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from pipeline.classifier.datasets import read_labelled
from pipeline.classifier.labelled import Findings
from pipeline.errors import UserError
from tests.support.local_runs import run_locally, write_rows


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
    return [item.label for item in read_labelled(data, classes, findings)], findings


def _tar(path, members=None, mode="w"):
    """Two samples of awe, or these members."""
    if members is None:
        label = b'{"emotion": "awe"}'
        members = {"0.png": _image(), "0.json": label, "1.png": _image(), "1.json": label}
    with tarfile.open(path, mode) as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))


def test_the_run_json_of_another_program_is_ignored(folders):
    (folders / "run.json").write_text('{"id": 7}')
    assert _read(folders)[0] == ["awe", "awe", "fear", "fear"]


def test_data_in_two_forms_are_refused_with_an_example_of_each(folders):
    _tar(folders / "old.tar")
    with pytest.raises(UserError, match=r"tar files \(as old.tar\) and class folders \(as awe\)"):
        _read(folders)
    (folders / "old.tar").unlink()
    pq.write_table(pa.table({"image": [b"x"], "label": ["awe"]}), folders / "old.parquet")
    with pytest.raises(UserError, match=r"tables \(as old.parquet\) and class folders"):
        _read(folders)


@pytest.mark.parametrize("part", ["", "shards", "shards/00000000.tar"])
def test_the_output_of_a_run_is_read_from_its_committed_shards(tmp_path, part):
    out = tmp_path / "out"
    run_locally(write_rows(tmp_path / "m.parquet", 12), out, min_confidence=0.0)
    assert _read(out / part)[0] == ["awe"] * (5 if part.endswith("tar") else 12)
    # A tar without a marker is none of the corpus; one that is damaged or gone is refused by name.
    shutil.copy(out / "shards" / "00000000.tar", out / "shards" / "00000007.tar")
    assert len(_read(out / part)[0]) == (5 if part.endswith("tar") else 12)
    tar = out / "shards" / "00000001.tar"
    data = bytearray(tar.read_bytes())
    data[len(data) // 2] ^= 1
    tar.write_bytes(data)
    with pytest.raises(UserError, match=r"shards/00000001.tar: its content is not what was"):
        _read(out / part)
    tar.unlink()
    with pytest.raises(UserError, match=r"shards/00000001.tar: is missing"):
        _read(out / part)


def test_samples_without_an_image_or_a_label_are_ignored_and_counted(tmp_path):
    members = {"0.txt": b"a", "1.png": _image(), "1.json": b'{"emotion": ""}'}
    _tar(tmp_path / "x.tar", members)
    labels, findings = _read(tmp_path)
    assert labels == []
    assert findings.ignored.total() == 2
    assert "1 sample(s) without an image (.txt alone)" in findings.summary()


def test_caches_of_a_saved_set_are_not_read(tmp_path):
    from datasets import Dataset

    Dataset.from_dict({"image": [_image()], "label": ["awe"]}).save_to_disk(str(tmp_path / "set"))
    saved = json.loads((tmp_path / "set" / "state.json").read_text())["_data_files"]
    (tmp_path / "set" / "cache-1.arrow").write_bytes(b"left over")
    assert len(saved) == 1
    assert _read(tmp_path / "set")[0] == ["awe"]


@pytest.mark.parametrize("label", [7, -1])
def test_a_number_without_a_name_is_refused(tmp_path, label):
    pq.write_table(pa.table({"image": [b"x"], "label": [label]}), tmp_path / "t.parquet")
    with pytest.raises(UserError, match=f"its label is {label}, and the data do not say"):
        _read(tmp_path / "t.parquet", ("awe", "fear"))


def test_what_is_not_there_and_what_has_no_images(tmp_path):
    with pytest.raises(UserError, match="does not exist"):
        _read(tmp_path / "none")
    with pytest.raises(UserError, match="no labelled images"):
        _read(tmp_path)


@pytest.mark.parametrize("suffix", ["tar.gz", "TGZ", "tar.bz2", "tar.xz"])
def test_compressed_archives_are_read(tmp_path, suffix):
    kind = {"TGZ": "gz"}.get(suffix, suffix.rpartition(".")[2])
    _tar(tmp_path / f"x.{suffix}", mode=f"w:{kind}")
    assert _read(tmp_path)[0] == ["awe", "awe"]


@pytest.mark.parametrize(
    ("members", "ignored"),
    [
        ({"0.png": _image(), "0.jpg": _image("JPEG"), "0.cls": b"awe"}, "further image(s)"),
        ({"0.png": _image(), "0.cls": b"8", "0.json": b'{"mixture": "a"}'}, "of a mixture"),
        ({"0.in.png": _image(), "0.cls": b"awe"}, "(.cls, .in.png alone)"),
        ({"inner.tar": b"x"}, "(.tar alone)"),
    ],
)
def test_what_is_ignored_in_an_archive_is_counted(tmp_path, members, ignored):
    _tar(tmp_path / "x.tar", members)
    findings = _read(tmp_path)[1]
    assert findings.ignored.total() == 1
    assert ignored in findings.summary()


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"awe/0.png": _image()}, "unpack the archive if its folders are the classes"),
        ({"0.png": _image(), "0.cls": b"\xff"}, "has neither a .json"),
        ({"0.png": _image(), "0.json": b"[1]"}, "has neither a .json"),
        ({"0.png": _image(), "0.json": b'{"emotion": {"awe": 1}}'}, "name of one emotion"),
        ({"0.png": _image(), "0.cls": b"1"}, "its label is 1, and the data do not say"),
    ],
)
def test_samples_without_one_clear_label_are_refused(tmp_path, members, message):
    _tar(tmp_path / "x.tar", members)
    with pytest.raises(UserError) as caught:
        _read(tmp_path)
    assert message in str(caught.value)


def test_an_index_is_a_class_where_the_classes_are_named(tmp_path):
    _tar(tmp_path / "x.tar", {"0.png": _image(), "0.cls": b"1\n"})
    assert _read(tmp_path, ("fear", "awe"))[0] == ["awe"]


def test_rows_without_an_image_or_a_label_are_ignored_and_counted(tmp_path):
    table = {"image": [_image(), None, _image()], "label": ["awe", "awe", None]}
    pq.write_table(pa.table(table), tmp_path / "t.parquet")
    labels, findings = _read(tmp_path)
    assert labels == ["awe"]
    assert findings.ignored == {"row(s) without an image": 1, "row(s) without a label": 1}


def test_a_table_that_is_damaged_further_on_is_refused_by_name(tmp_path):
    images = [bytes([n % 251]) * 1000 for n in range(2000)]
    table = pa.table({"image": images, "label": ["awe"] * 2000})
    pq.write_table(table, tmp_path / "t.parquet", compression="none", use_dictionary=False)
    data = bytearray((tmp_path / "t.parquet").read_bytes())
    data[1_500_000:1_600_000] = b"\xff" * 100_000
    (tmp_path / "t.parquet").write_bytes(data)
    with pytest.raises(UserError, match=r"t\.parquet: cannot be read"):
        _read(tmp_path)


@pytest.mark.timeout(20)
def test_labels_that_lie_apart_from_their_images_are_refused_as_such(tmp_path):
    members = {"0.png": _image(), "1.png": _image(), "0.json": b'{"label": "awe"}'}
    _tar(tmp_path / "x.tar", members)
    with pytest.raises(UserError, match=r"the member 0\.json stands apart .*tar --sort=name"):
        _read(tmp_path)


@pytest.mark.parametrize("name", ["x.tar", "x.parquet"])
def test_pipes_are_refused_instead_of_waiting_for_their_other_end(tmp_path, name):
    os.mkfifo(tmp_path / name)
    with pytest.raises(UserError, match="is not a regular file"):
        _read(tmp_path)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("x.zip", "unpack x.zip first"),
        ("train/x.tar", "tar files are in .*train: give that folder"),
    ],
)
def test_where_nothing_can_be_read_archives_are_named(tmp_path, name, hint):
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_bytes(b"PK")
    with pytest.raises(UserError, match=hint):
        _read(tmp_path)
