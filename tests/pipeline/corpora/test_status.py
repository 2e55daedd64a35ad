"""How far a run is said to be."""

import os
from dataclasses import replace

import pytest

from pipeline.config_tables import Faults
from pipeline.corpora.retry import reopen
from pipeline.corpora.status import as_text, status
from pipeline.errors import UserError
from pipeline.output.markers import marker_file, read_markers
from pipeline.output.run.run_file import read_run, write_run
from pipeline.storage.files import write_json
from pipeline.storage.lease import lease_file, machine
from pipeline.storage.log import Log
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


def _in_work(out, **driver):
    """A run that is not complete, with a lease of this driver."""
    run = read_run(out)
    write_run(out, replace(run.reopened(), requests=run.requests + 1))
    content = {"token": "0", "count": 1, "machine": machine(), "pid": os.getpid(), **driver}
    write_json(lease_file(out), content)
    return status(out)


def test_a_driver_at_work_is_told_with_its_host_and_its_workers(make_corpus):
    out = make_corpus()
    with Log(out) as log:
        log.add({"event": "start", "workers": 2})
        log.add({"event": "placed", "pid": 1})
    shown = as_text(_in_work(out, began=1e9))
    assert "not complete, a driver is at work" in shown
    host = machine().partition(" ")[0]
    began = "at work since 2001-09-09 01:46:40 UTC"
    assert f"  driver    process {os.getpid()} on {host}, {began}\n" in shown
    assert "  workers   1 loading models, 1 starting or waiting for a place" in shown
    assert "  stopped " not in shown


def test_while_a_run_is_being_resumed_its_last_stop_is_not_told(make_corpus):
    """Its driver checks what is there before it logs its start; its lease may have no time."""
    out = make_corpus()
    summary = _in_work(out)
    assert (summary["stopped"], summary["workers"]) == (None, "not started yet")
    assert "  driver    process " in as_text(summary)


def test_without_a_driver_the_last_stop_is_told(make_corpus):
    out = make_corpus()
    summary = _in_work(out, pid=0)
    assert (summary["driver"], summary["workers"], summary["stopped"]) == (None, None, "finished")
    assert "  driver " not in as_text(summary)


def test_damaged_lines_of_the_log_are_reported(make_corpus):
    out = make_corpus()
    with (out / "_state" / "log.jsonl").open("ab") as handle:
        handle.write(b"\xff\n")
    assert "1 damaged line(s)" in as_text(status(out))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("shards/00000001.tar", "has 0 bytes where "),
        ("shards/00000002.json", "is missing, or a marker before it is not that of this corpus"),
        ("metadata.parquet", "its content is not what was committed"),
        ("contact_sheet.png", "its content is not what was committed"),
    ],
)
def test_a_damaged_corpus_is_not_called_complete_alone(make_corpus, name, message):
    out = make_corpus()
    (out / name).unlink() if name.endswith("json") else (out / name).write_bytes(b"")
    text = as_text(status(out))
    assert text.startswith(f"{out}: complete, but damaged\n")
    assert f"  damage    {name}: {message}" in text


def test_the_files_of_shards_are_checked_by_size_and_that_is_said(make_corpus):
    out = make_corpus()
    tar = out / "shards" / "00000001.tar"
    tar.write_bytes(tar.read_bytes()[:-1] + b"x")
    summary = status(out)
    assert summary["damage"] == []
    assert f"files checked by size; `muse-batch verify {out}` reads them all" in as_text(summary)
