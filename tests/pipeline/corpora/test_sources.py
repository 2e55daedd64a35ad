"""Commands that read a corpus while another one writes it."""

import pytest

from pipeline.corpora.retry import reopen
from pipeline.corpora.sources import reading
from pipeline.errors import UserError
from pipeline.output.run.run_file import read_run, write_run
from pipeline.storage import lease
from pipeline.storage.lease import Lease
from tests.support import drive


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(lease, "BEAT_SECONDS", 0.1)


@pytest.fixture
def corpus(make_corpus):
    return make_corpus(batch_size=8)


@pytest.mark.parametrize("complete", [True, False])
def test_each_command_says_who_is_writing_its_source(corpus, tmp_path, complete):
    if not complete:
        write_run(corpus, read_run(corpus).reopened())
    new = tmp_path / "new"
    with Lease(corpus):
        for words in (
            ["export", corpus, "--to", "imagefolder", "-o", new],
            ["refilter", corpus, "-o", new, "--min-confidence", 0.9],
            ["merge", corpus, corpus, "-o", new],
            ["publish", corpus, "owner/name", "--dry-run"],
            ["retry", corpus],
        ):
            done = drive.command(*words)
            assert done.returncode == 2, words
            assert f"a run or a retry is writing {corpus} (process " in done.stderr, words
            assert "wait until it ends" in done.stderr
    assert not new.exists()


def test_a_retry_in_the_middle_is_told_as_that_and_not_as_damage(corpus):
    def read():
        with reading(corpus):
            write_run(corpus, read_run(corpus).reopened())
            raise UserError("shards/00000001.tar: is missing")

    with pytest.raises(UserError, match="was changed by another command while it was read"):
        read()


def test_a_writer_that_begins_meanwhile_is_named(corpus):
    held = Lease(corpus)

    def read():
        with reading(corpus):
            held.__enter__()
            raise FileNotFoundError("shards/00000001.tar")

    with pytest.raises(UserError, match="a run or a retry is writing"):
        read()
    held.__exit__()


def test_damage_stays_damage(corpus):
    with pytest.raises(UserError, match=r"^damaged$"), reading(corpus):
        raise UserError("damaged")


def test_the_lease_of_a_dead_process_is_in_nobodys_way(corpus, monkeypatch):
    Lease(corpus)._write()
    monkeypatch.setattr(lease, "_is_running", lambda pid: False)
    assert not reopen(corpus).requests
