"""How commands talk and end: text without control characters, errors, exit codes, signals."""

from __future__ import annotations

import os
import shlex
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import typer

from pipeline.terminal import printable
from pipeline.watch.log_output import logger

FAILED, USER_MISTAKE, INTERRUPTED = 1, 2, 130
"""Exit codes: the command could not do all of it; the user has to change something; a signal."""

SLOW_SECONDS = 2.0
"""After so long a command says what it is doing."""

RESUMES = "The same command resumes the run."

STOPS_AGAIN = "The same command stops there again until the cause is removed."

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""What ends a command in order."""


def echo(text: str, err: bool = False) -> None:
    """Print a line, or several; names in it cannot control the terminal."""
    typer.echo(printable(text), err=err)


def next_command(*words: str) -> str:
    """The line that ends what a command prints: the command that usually comes next."""
    return f"Next: {shlex.join(['muse-batch', *words])}"


def warn(text: str) -> None:
    logger.warning("%s", printable(f"warning: {text}"))


def warn_once() -> Callable[[str], None]:
    """Prints warnings as `warn`, each text once: for one call of a command."""
    seen: set[str] = set()

    def tell(text: str) -> None:
        if text not in seen:
            seen.add(text)
            warn(text)

    return tell


def report_error(text: str) -> None:
    logger.error("%s", printable(text))


@contextmanager
def reported_errors(resumes: bool = False) -> Iterator[None]:
    """Turn expected errors and signals into one message and an exit code.

    Args:
        resumes: whether the same command goes on where it ended.
    """
    from manifests.check import ManifestError
    from pipeline.errors import NO_ACCESS, RunStopped, UserError

    hint = f"\n{RESUMES}" if resumes else ""
    try:
        with _interruptible():
            yield
    except (UserError, ManifestError) as error:
        report_error(f"error: {error}")
        raise typer.Exit(USER_MISTAKE) from None
    except RunStopped as error:
        if resumes and not error.resumes:
            hint = f"\n{STOPS_AGAIN}"
        report_error(f"stopped: {error}{hint}")
        raise typer.Exit(FAILED) from None
    except OSError as error:
        file = f" {error.filename}" if error.filename else ""
        if error.errno in NO_ACCESS:
            report_error(f"error: {error.strerror}{file}; change that, or give another path")
            raise typer.Exit(USER_MISTAKE) from None
        report_error(f"stopped: {error.strerror or error}{file}{hint}")
        raise typer.Exit(FAILED) from None
    except KeyboardInterrupt:
        saved = f"; what was finished is saved. {RESUMES}" if resumes else ""
        report_error(f"interrupted{saved}")
        raise typer.Exit(INTERRUPTED) from None


@contextmanager
def told_if_slow(what: str) -> Iterator[None]:
    """Say what is being done once it takes longer than `SLOW_SECONDS`."""
    timer = threading.Timer(SLOW_SECONDS, logger.info, ["%s", printable(f"muse-batch: {what} ...")])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


@contextmanager
def _interruptible() -> Iterator[None]:
    """Ctrl-C, SIGTERM and SIGHUP end the command in order, within seconds; a third ends it at once.

    All that is finished is on disk at any time. The orderly end also ends Ray's processes.
    """
    calls = 0

    def on_signal(*_: object) -> None:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise KeyboardInterrupt
        if calls == 2:
            # Not by print, which may have been what was interrupted.
            os.write(2, b"ending already; once more ends at once and leaves Ray's processes\n")
        else:
            os._exit(INTERRUPTED)

    before = {}
    for number in SIGNALS:
        # `nohup` has SIGHUP ignored, and a background job of a script SIGINT: so it stays.
        if signal.getsignal(number) is not signal.SIG_IGN:
            before[number] = signal.signal(number, on_signal)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
