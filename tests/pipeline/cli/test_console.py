import errno
import os
import signal
import threading

import pytest
import typer

from pipeline.cli import console
from pipeline.cli.console import (
    FAILED,
    INTERRUPTED,
    RESUMES,
    STOPS_AGAIN,
    USER_MISTAKE,
    reported_errors,
    told_if_slow,
    warn_once,
)
from pipeline.errors import NoWorkerStarted, RunStopped


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_a_command_in_order_and_its_handler_is_put_back(number, capsys):
    # Not ignored, even if these tests are: SIGHUP is, under `nohup`.
    before = signal.signal(number, signal.default_int_handler)
    try:
        with pytest.raises(typer.Exit) as ended, reported_errors(resumes=True):
            signal.raise_signal(number)
        assert ended.value.exit_code == INTERRUPTED
        assert "interrupted; what was finished is saved" in (told := capsys.readouterr().err)
        assert told.splitlines() == [f"interrupted; what was finished is saved. {RESUMES}"]
        assert signal.getsignal(number) is signal.default_int_handler
    finally:
        signal.signal(number, before)


def test_what_takes_long_says_what_it_does_and_what_is_quick_says_nothing(monkeypatch, capsys):
    with told_if_slow("checking prompts"):
        pass
    monkeypatch.setattr(console, "SLOW_SECONDS", 0.0)
    told = threading.Event()
    monkeypatch.setattr(console.logger, "info", lambda text, *values: told.set())
    with told_if_slow("checking prompts"):
        assert told.wait(60)
    assert capsys.readouterr().err == ""


def test_a_signal_that_is_ignored_stays_so():
    """As SIGHUP is under `nohup`."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with reported_errors():
            signal.raise_signal(signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize(
    ("number", "code", "message"),
    [
        (errno.EACCES, USER_MISTAKE, "error: Permission denied /x; change that, or give another"),
        (errno.EROFS, USER_MISTAKE, "error: Read-only file system /x; change that"),
        (errno.ENOSPC, FAILED, "stopped: No space left on device /x\nThe same command resumes"),
        (errno.EIO, FAILED, "stopped: Input/output error /x\nThe same command resumes"),
    ],
)
def test_what_stays_until_somebody_changes_it_is_not_said_to_resume(number, code, message, capsys):
    with pytest.raises(typer.Exit) as ended, reported_errors(resumes=True):
        raise OSError(number, os.strerror(number), "/x")
    assert ended.value.exit_code == code
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "hint"), [(RunStopped("why"), RESUMES), (NoWorkerStarted("why"), STOPS_AGAIN)]
)
def test_a_run_that_would_stop_again_is_not_said_to_resume(caplog, error, hint):
    with pytest.raises(typer.Exit) as ended, reported_errors(resumes=True):
        raise error
    assert ended.value.exit_code == FAILED
    assert [record.getMessage() for record in caplog.records] == [f"stopped: why\n{hint}"]


def test_a_command_says_each_warning_once(capsys):
    for tell in (warn_once(), warn_once()):
        for text in ("one", "two", "one"):
            tell(text)
        assert capsys.readouterr().err == "warning: one\nwarning: two\n"
