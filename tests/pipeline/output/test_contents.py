"""One listing tells the files of an output and its committed shards."""

import pytest

from pipeline.errors import UserError
from pipeline.output.contents import contents_of


def test_an_output_that_is_not_there_is_empty(tmp_path):
    contents = contents_of(tmp_path / "nothing")
    assert (contents.sizes, contents.markers) == ({}, [])


def test_every_file_has_its_size_and_every_committed_shard_its_marker(make_corpus):
    out = make_corpus(count=12, min_confidence=0.0, shard_size=5)
    contents = contents_of(out)
    files = [path for path in out.rglob("*") if path.is_file()]
    assert contents.sizes == {
        path.relative_to(out).as_posix(): path.stat().st_size for path in files
    }
    assert [marker.shard for marker in contents.markers] == [0, 1, 2]
    (out / "shards" / "00000001.json").unlink()
    assert [marker.shard for marker in contents_of(out).markers] == [0]


def test_a_damaged_marker_is_refused_by_name(make_corpus):
    out = make_corpus(count=12, min_confidence=0.0, shard_size=5)
    (out / "shards" / "00000001.json").write_text("{}")
    with pytest.raises(UserError, match=r"00000001\.json is damaged"):
        contents_of(out)
