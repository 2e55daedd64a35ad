"""A run followed from its files."""

import os
from dataclasses import replace

import pytest

from pipeline.errors import UserError
from pipeline.output.run.run_file import RUN_FILE, read_run, write_run
from pipeline.storage.files import write_json
from pipeline.storage.lease import lease_file, machine
from pipeline.storage.log import Log
from pipeline.watch import follow, text
from pipeline.watch.follow import Follower


def test_a_look_reads_counts_and_log(make_corpus):
    out = make_corpus(batch_size=8)
    summary, complete = Follower(out).look()
    run = read_run(out)
    assert complete
    assert summary.done == summary.total == run.requests
    assert summary.statuses["accepted"] == run.counts["accepted"]
    decided = sum(count.decided for count in summary.emotions.values())
    assert decided == run.requests


def test_it_is_shown_until_the_run_is_complete_and_no_line_twice(make_corpus, monkeypatch, capsys):
    out = make_corpus(batch_size=8)
    run, sleeps = read_run(out), []
    # One request is still to be made, and no driver is at work.
    write_run(out, replace(run.reopened(), requests=run.requests + 1))

    def finish(seconds):
        sleeps.append(seconds)
        if len(sleeps) == 3:
            write_run(out, run)

    monkeypatch.setattr(follow.time, "sleep", finish)
    follow.follow(out, 1.0)
    first, last = capsys.readouterr().out.splitlines()
    assert "stopped: finished" in first
    assert last.startswith(f"{out}: {run.requests}/{run.requests} | ")
    assert len(sleeps) == 3


@pytest.mark.parametrize(
    ("reading", "pause"), [(0.01, 5.0), (2.0, 20.0), (31.0, follow.MAX_PAUSE_S)]
)
def test_one_slow_look_on_a_busy_machine_does_not_put_the_watch_to_sleep(
    monkeypatch, reading, pause
):
    """A pause of minutes slept through a run that was resumed and finished."""
    sleeps = []
    monkeypatch.setattr(follow.time, "sleep", sleeps.append)
    follow._pause(5.0, reading)
    assert sleeps == [pause]


def test_it_waits_for_a_run_that_begins_later(make_corpus, tmp_path, monkeypatch, capsys):
    out, later = make_corpus(batch_size=8), tmp_path / "later"
    monkeypatch.setattr(follow.time, "sleep", lambda _: out.rename(later))
    follow.follow(later, 1.0)
    first, last = capsys.readouterr().out.splitlines()
    assert first == f"waiting for a run in {later}"
    assert "/30 |" in last


def test_a_run_without_a_driver_is_not_shown_as_running(make_corpus):
    out = make_corpus(batch_size=8)
    write_run(out, read_run(out).reopened())
    summary, complete = Follower(out).look()
    assert not complete
    assert not summary.is_running
    assert summary.stopped == "finished"


def _never(seconds):
    raise AssertionError("it waits")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda out: (out.mkdir(), os.mkfifo(out / RUN_FILE)), "is a pipe, not a regular file"),
        (lambda out: (out / RUN_FILE).mkdir(parents=True), "is a folder, not a regular file"),
        (lambda out: out.write_text(""), "is not the output of a run: it has no run.json"),
        (lambda out: (out / "photographs").mkdir(parents=True), "it has no run.json"),
    ],
)
def test_where_no_run_can_begin_none_is_waited_for(tmp_path, monkeypatch, make, message):
    monkeypatch.setattr(follow.time, "sleep", _never)
    make(tmp_path / "out")
    with pytest.raises(UserError, match=message):
        follow.follow(tmp_path / "out", 1.0)


def test_while_it_waits_something_else_may_come(tmp_path, monkeypatch):
    monkeypatch.setattr(follow.time, "sleep", lambda _: os.mkfifo(tmp_path / RUN_FILE))
    with pytest.raises(UserError, match="is a pipe"):
        follow.follow(tmp_path, 1.0)


def test_a_run_may_begin_where_its_driver_has_left_the_state_alone(
    make_corpus, tmp_path, monkeypatch, capsys
):
    out, later = make_corpus(batch_size=8), tmp_path / "later"
    (later / "_state").mkdir(parents=True)
    (later / f".{RUN_FILE}.{32 * '0'}.muse-part").touch()

    def begin(seconds):
        for entry in out.iterdir():
            if entry.name != "_state":
                entry.rename(later / entry.name)

    monkeypatch.setattr(follow.time, "sleep", begin)
    follow.follow(later, 1.0)
    assert capsys.readouterr().out.startswith(f"waiting for a run in {later}\n")


def test_who_waits_at_a_place_that_may_be_mistyped_is_told(tmp_path, monkeypatch, capsys):
    (tmp_path / "corpus").mkdir()
    mistyped = tmp_path / "corups"

    def stop(seconds):
        raise KeyboardInterrupt

    monkeypatch.setattr(follow.time, "sleep", stop)
    with pytest.raises(KeyboardInterrupt):
        follow.follow(mistyped, 1.0)
    hint = f"which does not exist; did you mean {tmp_path / 'corpus'}?"
    assert capsys.readouterr().out == f"waiting for a run in {mistyped}, {hint}\n"


def _leased(out, **driver):
    """A run that is not complete, with a lease of this driver."""
    run = read_run(out)
    write_run(out, replace(run.reopened(), requests=run.requests + 1))
    write_json(lease_file(out), {"token": "0", "count": 1, "machine": machine(), **driver})
    return Follower(out).look()[0]


def test_a_driver_whose_process_is_gone_is_not_at_work(make_corpus):
    summary = _leased(make_corpus(batch_size=8), pid=0)
    assert (summary.is_running, summary.stopped) == (False, "finished")


def test_a_run_that_is_being_resumed_has_not_stopped(make_corpus):
    """Its driver checks what is there before it logs its start."""
    summary = _leased(make_corpus(batch_size=8), pid=os.getpid())
    assert summary.is_running
    assert text.line(summary).endswith("workers: not started yet")


def test_a_look_reads_what_was_appended_to_the_log(make_corpus):
    out = make_corpus(batch_size=8)
    follower, log = Follower(out), out / "_state" / "log.jsonl"
    first, _ = follower.look()
    # What was read is not read again, and what was counted is not counted twice.
    log.write_bytes(b"x" * log.stat().st_size)
    second, _ = follower.look()
    assert second.emotions == first.emotions
    with Log(out) as writer:
        writer.add({"event": "ended", "pid": 1, "cause": "killed"})
    assert follower.look()[0].problems == ["a worker ended: killed"]
