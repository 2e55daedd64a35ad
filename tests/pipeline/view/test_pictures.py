"""Pictures of damaged files are not shown, by `report`, `view`, `show` or from Python."""

import os
import shutil
import tarfile

import pytest

from pipeline.api import Corpus
from pipeline.errors import RunStopped, UserError
from pipeline.output.batches import batch_path
from pipeline.output.integrity import changed_file
from pipeline.scheduling.executors.local_executor import LocalExecutor
from pipeline.view import pictures as pictures_module
from pipeline.view.browser import Browser
from pipeline.view.pictures import Pictures
from pipeline.view.rows import finished_rows
from tests.support import drive
from tests.support.local_runs import run_locally, stop_at, write_rows


def _flip(path, place=0.5):
    data = bytearray(path.read_bytes())
    data[int(len(data) * place)] ^= 1
    path.write_bytes(data)


@pytest.fixture
def flipped(make_corpus):
    """A corpus with one bit flipped within an image, and the position of a sample beside it."""
    out = make_corpus(batch_size=8, min_confidence=0.0)
    _flip(out / "shards" / "00000001.tar")
    rows = finished_rows(out)
    shards = rows.column("shard").to_pylist()
    return out, shards.index("shards/00000001.tar")


def test_no_picture_of_a_flipped_tar_is_shown(flipped):
    out, position = flipped
    ((part, row),) = finished_rows(out).take([position]).values()
    with pytest.raises(UserError, match=r"shards/00000001\.tar is damaged: its content is not"):
        Pictures(out).encoded(part, row)
    with pytest.raises(UserError, match="is damaged"):
        Browser(out, out / "flags.parquet").picture(position)
    with pytest.raises(UserError, match="is damaged"):
        list(Corpus(out).samples())
    shown = drive.command("show", out, row["key"])
    assert (shown.returncode, "00000001.tar is damaged" in shown.stderr) == (2, True)


def test_the_report_says_which_pictures_it_lacks(flipped):
    out, _ = flipped
    done = drive.command("report", out)
    assert done.returncode == 0
    assert "00000001.tar is damaged" in done.stderr
    assert "not shown)" in done.stderr
    assert "00000001.tar is damaged" in (out / "report.html").read_text()


def test_a_tar_is_read_whole_once_and_again_after_a_change(make_corpus):
    out = make_corpus(batch_size=8, min_confidence=0.0)
    pictures, tar = Pictures(out), out / "shards" / "00000000.tar"
    found = [*finished_rows(out).take(range(3)).values()]
    for part, row in found:
        assert pictures.encoded(part, row)
    assert list(pictures.checked) == ["shards/00000000.tar"]
    _flip(tar)
    os.utime(tar, ns=(1, 1))
    for part, row in found:
        with pytest.raises(UserError, match="is damaged"):
            pictures.encoded(part, row)


@pytest.fixture
def hashed(monkeypatch):
    """The names of the tars that were read whole, in order."""
    names = []

    def noting(output, name, sha256):
        names.append(name)
        return changed_file(output, name, sha256)

    monkeypatch.setattr(pictures_module, "changed_file", noting)
    return names


def test_a_tar_that_a_retry_replaced_is_read_where_its_pictures_are_now(make_corpus):
    out = make_corpus(batch_size=8, min_confidence=0.5)
    other = make_corpus("other", batch_size=8, min_confidence=0.0)
    pictures, name = Pictures(out), "shards/00000000.tar"
    before = pictures.members(name)
    for suffix in (".tar", ".json"):
        shutil.copyfile(other / f"shards/00000000{suffix}", out / f"shards/00000000{suffix}")
    assert before != pictures.members(name)
    shown = 0
    for part, row in finished_rows(other).take(range(5)).values():
        with tarfile.open(other / row["shard"]) as tar:
            assert pictures.encoded(part, row) == tar.extractfile(row["file"]).read()
            shown += row["shard"] == name
    assert shown


def test_a_damaged_tar_is_read_whole_once_until_it_is_restored(make_corpus, hashed):
    out = make_corpus(batch_size=8, min_confidence=0.0)
    pictures, name = Pictures(out), "shards/00000000.tar"
    _flip(out / name)
    for _ in range(3):
        with pytest.raises(UserError, match="is damaged"):
            pictures.members(name)
    assert hashed == [name]
    _flip(out / name)
    assert pictures.members(name)
    assert hashed == [name, name]


def test_a_marker_that_comes_after_its_tar_is_compared_anew(make_corpus, tmp_path):
    out = make_corpus(batch_size=8)
    pictures, marker = Pictures(out), out / "shards" / "00000000.json"
    marker.rename(tmp_path / "marker")
    with pytest.raises(UserError, match=r"00000000\.json is damaged"):
        pictures.members("shards/00000000.tar")
    (tmp_path / "marker").rename(marker)
    assert pictures.members("shards/00000000.tar")


def test_a_corpus_reads_a_tar_whole_once_for_all_its_samples(make_corpus, hashed):
    corpus = Corpus(make_corpus(batch_size=8, min_confidence=0.0))
    keys = [sample.key for sample in corpus]
    for key in keys:
        assert corpus[key].encoded
    assert sorted(hashed) == sorted(set(hashed))
    assert len(hashed) < len(keys)


@pytest.fixture
def unfinished(tmp_path):
    """A run that stopped before its first shard, and its rows."""
    write_rows(tmp_path / "m.parquet", 12)
    executor = LocalExecutor(before_task=stop_at(2))
    with pytest.raises(RunStopped, match="stopped by the test"):
        run_locally(tmp_path / "m.parquet", tmp_path / "out", executor, shard_size=100)
    return finished_rows(tmp_path / "out")


def test_no_picture_of_a_flipped_batch_is_shown(unfinished):
    out = unfinished.output
    position = unfinished.column("status").to_pylist().index("accepted")
    ((part, row),) = unfinished.take([position]).values()
    assert Pictures(out).encoded(part, row)
    _flip(batch_path(out, part.batch), 0.2)
    with pytest.raises(UserError, match="is damaged"):
        Pictures(out).encoded(part, row)
    batch_path(out, part.batch).unlink()
    with pytest.raises(FileNotFoundError):
        Pictures(out).encoded(part, row)


def test_a_batch_whose_columns_cannot_be_read_is_named(unfinished):
    """Its end, which tells how many rows it has, is whole."""
    path = unfinished.parts[0].path
    data = bytearray(path.read_bytes())
    data[4:3000] = bytes(2996)
    path.write_bytes(data)
    done = drive.command("report", unfinished.output)
    assert done.returncode == 2
    assert f"{path.name} is damaged: it cannot be read" in done.stderr
