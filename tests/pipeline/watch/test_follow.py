"""A run followed from its files."""

from pipeline.output.run_file import read_run, write_run
from pipeline.watch import follow
from pipeline.watch.follow import look


def test_a_look_reads_counts_and_log(make_corpus):
    out = make_corpus(batch_size=8)
    summary, complete = look(out)
    run = read_run(out)
    assert complete
    assert summary.done == summary.total == run.requests
    assert summary.statuses["accepted"] == run.counts["accepted"]
    decided = sum(count.decided for count in summary.emotions.values())
    assert decided == run.requests


def test_it_is_shown_until_the_run_is_complete(make_corpus, monkeypatch, capsys):
    out = make_corpus(batch_size=8)
    run = read_run(out)
    write_run(out, run.reopened())

    def finish(_):
        write_run(out, run)

    monkeypatch.setattr(follow.time, "sleep", finish)
    follow.follow(out, 1.0)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert lines[-1].startswith(f"{out}: {run.requests}/{run.requests} | ")


def test_it_waits_for_a_run_that_begins_later(make_corpus, tmp_path, monkeypatch, capsys):
    out, later = make_corpus(batch_size=8), tmp_path / "later"
    monkeypatch.setattr(follow.time, "sleep", lambda _: out.rename(later))
    follow.follow(later, 1.0)
    first, last = capsys.readouterr().out.splitlines()
    assert first == f"waiting for a run in {later}"
    assert "/30 |" in last
