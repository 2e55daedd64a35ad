"""Damage to the files of an output, and what is refused because of it."""

import pytest

from pipeline.config_tables import Faults
from pipeline.corpora.merge import merge
from pipeline.corpora.refilter import refilter
from pipeline.corpora.retry import reopen
from pipeline.corpora.verify import notes, verify
from pipeline.errors import UserError
from pipeline.output.integrity import damaged_corpus, damaged_shards, refuse_damage
from pipeline.output.markers import marker_file, shard_folder
from pipeline.output.run.run_file import read_run
from tests.pipeline.output.test_markers import commit, commit_all
from tests.support.corpora import fail_on_warning


def _flip(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def _everything(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_missing_and_resized_files_are_found_without_reading_tars(tmp_path):
    commit(tmp_path)
    assert list(damaged_shards(tmp_path)) == []
    (shard_folder(tmp_path) / "00000000.tar").write_bytes(b"ta")
    (shard_folder(tmp_path) / "00000000.parquet").write_bytes(b"Parquet")
    assert list(damaged_shards(tmp_path)) == [
        "shards/00000000.parquet: its content is not what was committed (SHA-256 differs)",
        "shards/00000000.tar: has 2 bytes where 3 were committed",
    ]
    (shard_folder(tmp_path) / "00000000.tar").unlink()
    assert list(damaged_shards(tmp_path))[1] == "shards/00000000.tar: is missing"


def test_a_missing_marker_is_found_by_the_later_ones(tmp_path):
    commit_all(tmp_path, 3)
    marker_file(tmp_path, 1).unlink()
    assert list(damaged_shards(tmp_path)) == [
        "shards/00000001.json: is missing, and later shards are there"
    ]


def test_a_shard_that_is_gone_from_the_end_is_missed(make_corpus):
    """Nothing but the end of the chain in run.json speaks of it."""
    out = make_corpus()
    for path in shard_folder(out).glob("00000002.*"):
        path.unlink()
    assert list(damaged_corpus(out, read_run(out))) == [
        "shards/00000002.json: is missing, or a marker before it is not that of this corpus"
    ]


@pytest.mark.parametrize(
    "name", ["shards/00000001.tar", "shards/00000000.parquet", "metadata.parquet"]
)
@pytest.mark.parametrize(
    "damage", [_flip, lambda path: path.unlink(), lambda path: path.write_bytes(b"")]
)
def test_no_command_makes_a_corpus_from_a_damaged_one(make_corpus, tmp_path, name, damage):
    """It is named, no target appears, and the source stays as it is: damage is never laundered."""
    out = make_corpus(count=24, faults=Faults(failures=0.2))
    other = make_corpus("other", count=7, seed=1)
    damage(out / name)
    before = _everything(out)
    commands = (
        lambda: refilter(out, tmp_path / "late", [], {"min_confidence": 0.6}, fail_on_warning),
        lambda: merge([other, out], tmp_path / "both"),
        lambda: reopen(out),
    )
    for command in commands:
        with pytest.raises(UserError, match=name.rpartition("/")[2]):
            command()
    assert _everything(out) == before
    assert not (tmp_path / "late").exists()
    assert not (tmp_path / "both").exists()
    assert any(problem.startswith(f"{name}: ") for problem in verify(out))


def test_an_edited_card_is_noted_and_no_damage(make_corpus):
    out = make_corpus()
    assert notes(out) == []
    (out / "README.md").write_text("license: mine")
    refuse_damage(out, read_run(out))
    assert verify(out) == []
    assert notes(out) == ["README.md: was edited after the run had written it"]
