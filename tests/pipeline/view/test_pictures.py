"""Pictures of damaged files are not shown, by `report`, `view`, `show` or from Python."""

import os

import pytest

from pipeline.api import Corpus
from pipeline.errors import RunStopped, UserError
from pipeline.output.batches import batch_path
from pipeline.scheduling.local_executor import LocalExecutor
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
