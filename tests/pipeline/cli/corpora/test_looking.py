"""The commands that show a corpus to people."""

import re
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from pipeline.cli.corpora.looking import _free
from pipeline.corpora.flags import Flags, write_flags
from pipeline.output.run.run_file import read_run
from tests.support import drive


@pytest.mark.parametrize("command", [["report"], ["view"], ["show"]])
def test_what_is_no_corpus_is_refused(tmp_path, command):
    key = ["000000000000"] if command == ["show"] else []
    done = drive.command(*command, tmp_path, *key)
    assert done.returncode == 2
    assert "is not the output of a run: it has no run.json" in done.stderr


def test_report_says_where_it_is(make_corpus):
    out = make_corpus()
    done = drive.command("report", out)
    assert done.stdout == f"{out}/report.html: written; open it in a browser\n"
    assert (out / "report.html").stat().st_size > 10_000


@pytest.mark.parametrize("command", ["report", "view"])
def test_a_manifest_that_is_not_there_is_refused(make_corpus, command):
    done = drive.command(command, make_corpus(), "--manifest", "gone.parquet")
    assert done.returncode == 2
    assert "--manifest gone.parquet: does not exist" in done.stderr


def test_a_port_that_is_taken_is_named(make_corpus):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = drive.command("view", make_corpus(), "--port", taken.getsockname()[1])
    assert done.returncode == 1
    assert "address already in use" in done.stderr


def test_the_folder_that_is_suggested_is_not_taken(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert _free("picked") == "picked"
    (tmp_path / "picked").mkdir()
    (tmp_path / "picked-2").touch()
    assert _free("picked") == "picked-3"


@pytest.mark.faults
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_page_is_served_until_a_signal_comes(make_corpus, number):
    out = make_corpus()
    write_flags(out / "flags.parquet", Flags(read_run(out).fingerprint, {}))
    words = [sys.executable, "-m", "pipeline", "view", str(out)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as view:
        try:
            url = re.search(r"http://127\.0\.0\.1:\d+/\S+/", view.stdout.readline())[0]
            with urllib.request.urlopen(url, timeout=60) as page:
                assert b"muse-batch view" in page.read()
            view.send_signal(number)
            assert view.wait(drive.TIMEOUT_S) == 0
            assert view.stderr.read() == ""
            refilter = f"refilter {out} --flags {out}/flags.parquet --output picked"
            assert view.stdout.read().splitlines()[-1] == f"Next: muse-batch {refilter}"
        finally:
            view.kill()


def test_the_commands_of_the_page_on_looking_work_as_written(make_corpus, tmp_path, monkeypatch):
    out = make_corpus(keep_rejected=True)
    (tmp_path / "30.parquet").rename(tmp_path / "m.parquet")
    flags = Flags(read_run(out).fingerprint, {"000000000007": "reject"})
    write_flags(out / "flags.parquet", flags)
    page = Path("docs/looking.md").read_text()
    monkeypatch.chdir(tmp_path)
    commands = re.findall(r"^muse-batch (.*)$", page, re.MULTILINE)
    assert len(commands) >= 5
    for command in commands:
        if not command.startswith("view "):
            done = drive.command(*command.split())
            assert done.returncode == 0, done.stderr
