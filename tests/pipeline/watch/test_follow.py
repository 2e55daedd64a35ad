"""A run followed from its files."""

from dataclasses import replace

from pipeline.output.run_file import read_run, write_run
from pipeline.storage.lease import WATCH_SECONDS, lease_file
from pipeline.storage.log import Log
from pipeline.watch import follow
from pipeline.watch.follow import DriverWatch, Follower


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


def test_it_waits_for_a_run_that_begins_later(make_corpus, tmp_path, monkeypatch, capsys):
    out, later = make_corpus(batch_size=8), tmp_path / "later"
    monkeypatch.setattr(follow.time, "sleep", lambda _: out.rename(later))
    follow.follow(later, 1.0)
    first, last = capsys.readouterr().out.splitlines()
    assert first == f"waiting for a run in {later}"
    assert "/30 |" in last


def test_a_driver_is_at_work_as_long_as_its_lease_changes(tmp_path):
    now, lease = [0.0], lease_file(tmp_path)
    driver = DriverWatch(tmp_path, lambda: now[0])
    assert not driver.is_at_work()
    lease.parent.mkdir()
    for count in range(3):
        lease.write_text(f"renewed {count} times")
        now[0] += WATCH_SECONDS - 1
        assert driver.is_at_work()
    now[0] += WATCH_SECONDS - 1
    assert driver.is_at_work()
    now[0] += 1
    assert not driver.is_at_work()


def test_a_run_without_a_driver_is_not_shown_as_running(make_corpus):
    out = make_corpus(batch_size=8)
    write_run(out, read_run(out).reopened())
    summary, complete = Follower(out).look()
    assert not complete
    assert not summary.is_running
    assert summary.stopped == "finished"


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
