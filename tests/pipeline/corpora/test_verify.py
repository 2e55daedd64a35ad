"""What `verify` finds."""

import pytest

from pipeline.corpora.verify import verify
from pipeline.output.run.run_file import RUN_FILE, read_run, write_run


def _flip(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize(
    "name", ["shards/00000001.tar", "shards/00000000.parquet", "rejected/00000000.tar"]
)
def test_a_changed_file_of_a_shard_is_named(make_corpus, name):
    out = make_corpus(keep_rejected=True)
    _flip(out / name)
    expected = f"{name}: its content is not what was committed (SHA-256 differs)"
    assert expected in verify(out)


@pytest.mark.parametrize("name", ["metadata.parquet", "README.md", "contact_sheet.png"])
def test_a_missing_file_of_the_index_is_named(make_corpus, name):
    out = make_corpus()
    (out / name).unlink()
    assert any(problem.startswith(f"{name}: ") for problem in verify(out))


def test_a_file_of_no_shard_is_named(make_corpus):
    out = make_corpus()
    (out / "shards" / "00099.tar").touch()
    (problem,) = verify(out)
    assert problem.startswith("shards/00099.tar: belongs to no committed shard")


def test_a_missing_marker_is_named(make_corpus):
    out = make_corpus()
    (out / "shards" / "00000000.json").unlink()
    assert "shards/00000000.json: is missing, and later shards are there" in verify(out)


def test_an_unfinished_run_is_no_sound_corpus(make_corpus):
    out = make_corpus()
    write_run(out, read_run(out).reopened())
    assert verify(out) == [f"{RUN_FILE}: the run is not complete; the same run command resumes it"]
