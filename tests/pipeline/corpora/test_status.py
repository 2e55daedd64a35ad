"""How far a run is said to be."""

import pytest

from pipeline.config_tables import Faults
from pipeline.corpora.retry import reopen
from pipeline.corpora.status import as_text, status
from pipeline.errors import UserError
from pipeline.output.markers import marker_file, read_markers
from pipeline.output.run_file import read_run, write_run
from tests.support.corpora import rows_of


def test_a_complete_corpus_has_the_counts_of_its_metadata(make_corpus):
    out = make_corpus()
    summary = status(out)
    accepted = sum(row["status"] == "accepted" for row in rows_of(out))
    assert summary["complete"]
    assert (summary["done"], summary["requests"], summary["failed"]) == (30, 30, 0)
    assert summary["accepted"] == accepted
    assert summary["accepted_per_emotion"] == {"awe": accepted}
    assert summary["shards"] == -(-accepted // 5)
    assert f"accepted  {accepted} (awe {accepted})" in as_text(summary)


def test_a_folder_without_a_run_is_refused(tmp_path):
    with pytest.raises(UserError, match="is not the output of a run"):
        status(tmp_path)


def test_a_reopened_corpus_lacks_what_is_to_be_made_again(make_corpus):
    out = make_corpus(faults=Faults(failures=0.2))
    rows = rows_of(out)
    reopened = {row["batch"] for row in rows if row["status"] == "failed"}
    reopen(out)
    left = [row for row in rows if row["batch"] not in reopened]
    summary = status(out)
    assert not summary["complete"]
    assert (summary["done"], summary["failed"]) == (len(left), 0)
    assert summary["accepted"] == sum(row["status"] == "accepted" for row in left)


def test_an_interrupted_run_counts_what_is_on_disk(make_corpus):
    """Shards, and batches that wait for theirs; without the log."""
    out = make_corpus()
    before = status(out)
    write_run(out, read_run(out).reopened())
    marker_file(out, 2).unlink()
    (out / "_state" / "log.jsonl").unlink()
    summary = status(out)
    published = sum(marker.requests for marker in read_markers(out))
    assert summary["done"] == published < before["done"]
    assert summary["shards"] == 2
    assert summary["images_per_worker_second"] is None


def test_damaged_lines_of_the_log_are_reported(make_corpus):
    out = make_corpus()
    with (out / "_state" / "log.jsonl").open("ab") as handle:
        handle.write(b"\xff\n")
    assert "1 damaged line(s)" in as_text(status(out))
