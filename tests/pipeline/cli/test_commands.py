"""The command line as a whole: what it imports, and how its commands end."""

import subprocess
import sys
import time

import pytest

import pipeline
from pipeline.cli import console
from tests.support import drive


def test_help_imports_nothing_heavy():
    """Whatever is imported costs every `--help` and every shell completion."""
    program = "import sys; from jobs.commands import app; app(['--help'], standalone_mode=False); "
    program += (
        "print(sorted({'numpy', 'pydantic', 'pyarrow', 'ray', 'torch'} & sys.modules.keys()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"


def test_help_lists_the_commands_in_the_order_of_their_use():
    text = drive.command("--help").stdout
    names = ["example", "manifest", "plan", "try", "run", "status", "view", "refilter", "publish"]
    places = [text.index(f"│ {name} ") for name in names]
    assert places == sorted(places)


def test_flags_have_no_type_in_the_help():
    for command in (["run"], ["manifest", "build"], ["submit"], []):
        assert "<bool>" not in drive.command(*command, "--help").stdout


def test_the_module_is_the_command():
    for arguments in (["--version"], ["--help"], ["run", "--no-such-option"]):
        command = [sys.executable, "-c", "from jobs.cli import main; main()", *arguments]
        module = [sys.executable, "-m", "pipeline", *arguments]
        done = [
            subprocess.run(words, capture_output=True, check=False) for words in (command, module)
        ]
        assert (done[0].returncode, done[0].stdout) == (done[1].returncode, done[1].stdout)
        assert done[0].stderr == done[1].stderr
    assert drive.command("--version").stdout == f"muse-batch {pipeline.__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "resumes"),
    [
        (["run", "{}", "--output", "{}/out"], True),
        (["plan", "{}"], False),
        (["status", "{}"], False),
        (["verify", "{}"], False),
        (["classifier", "fit", "{}", "--output", "{}/out", "--backbone", "{}"], False),
    ],
)
def test_only_a_run_is_resumed_by_the_same_command(tmp_path, monkeypatch, arguments, resumes):
    def fail(*_, **__):
        raise OSError(28, "No space left on device", "/disk")

    for name in ("pipeline.execute.execute", "pipeline.planning.dry_run.dry_run"):
        monkeypatch.setattr(name, fail)
    for name in ("pipeline.corpora.status.status", "pipeline.corpora.verify.verify"):
        monkeypatch.setattr(name, fail)
    monkeypatch.setattr("pipeline.classifier.fit.fit", fail)
    done = drive.command(*(argument.format(tmp_path) for argument in arguments))
    assert done.returncode == 1
    assert "stopped: No space left on device /disk" in done.stderr
    assert ("The same command resumes the run." in done.stderr) == resumes


def test_a_plan_that_takes_long_says_what_it_checks(tmp_path, monkeypatch):
    told = []

    def slow(*_):
        """As on a busy machine."""
        deadline = time.monotonic() + 60
        while not told and time.monotonic() < deadline:
            time.sleep(0.001)
        raise OSError(28, "No space left on device", "/disk")

    monkeypatch.setattr("pipeline.cli.console.SLOW_SECONDS", 0.0)
    monkeypatch.setattr(console.logger, "info", lambda text, what: told.append(text % what))
    monkeypatch.setattr("pipeline.planning.dry_run.dry_run", slow)
    drive.command("plan", tmp_path)
    assert told == ["muse-batch: checking the manifest, its prompts and its images ..."]


@pytest.mark.parametrize("name", ["\x1b]0;title\x07", "\x9b31m", "\u202egnp.exe", "a\u2028b"])
def test_names_cannot_control_the_terminal(tmp_path, name):
    done = drive.command("status", tmp_path / name)
    assert done.returncode == 2
    assert name not in done.stderr
    assert name.encode("unicode_escape").decode() in done.stderr
