"""`muse-batch submit`: a run as a job of a Ray cluster, by the `ray job submit` that it prints.

A job is named after its output, so the same command finds it again: while the job runs, the command
follows it; once the job has ended, the command submits the next attempt, which resumes the run. A
job that was killed is submitted again automatically.
"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from jobs.submission import Submission, attempts, command, plan, was_killed
from pipeline.cli.console import FAILED, INTERRUPTED, RESUMES, USER_MISTAKE, echo
from pipeline.scheduling.executors.authentication import token_problem

if TYPE_CHECKING:
    from ray.job_submission import JobSubmissionClient

PASSING = {"allow_extra_args": True, "ignore_unknown_options": True}
"""Flags that `submit` does not know are those of `run`."""

RETRIES = 3
"""Resubmissions of a killed job, unless another number is given."""

LIVE = ("PENDING", "RUNNING")
"""What Ray says of a job that has not ended."""


def _ray(arguments: Sequence[str]) -> int:
    """Run Ray's own command line, the one that belongs to this Python."""
    beside = Path(sys.executable).with_name("ray")
    found = [str(beside)] if beside.exists() else ["ray"]
    # These variables would take precedence over the address on the command line.
    env = {
        key: value
        for key, value in os.environ.items()
        if key not in ("RAY_ADDRESS", "RAY_API_SERVER_ADDRESS")
    }
    return subprocess.run([*found, *arguments[1:]], env=env, check=False).returncode


def _connect(address: str) -> JobSubmissionClient:
    """A client of the cluster's dashboard.

    Raises:
        ValueError: no dashboard answers, or it requires another token.
    """
    from ray.exceptions import RayError
    from ray.job_submission import JobSubmissionClient

    try:
        return JobSubmissionClient(address)
    # Something else that answers there raises anything from an HTTP to a JSON error.
    except (OSError, RuntimeError, ValueError, KeyError, RayError) as error:
        problem = token_problem(error) or f"no Ray dashboard answers there ({error})"
        raise ValueError(f"--address {address}: {problem}") from None


def follow_to_end(client: JobSubmissionClient, first: Submission, wait: bool, retries: int) -> int:
    """Submit the next attempt or follow the one that runs; submit again what was killed.

    Returns:
        The exit code of `muse-batch run`; 0 without `wait`.
    """
    known = attempts(client.list_jobs(), first.name)
    for left in range(retries, -1, -1):
        if known and str(known[-1].status) in LIVE:
            arguments = [
                "ray",
                "job",
                "logs",
                "--address",
                first.address,
                "--follow",
                str(known[-1].submission_id),
            ]
            if not wait:
                echo("the job is already running", err=True)
                return 0
            echo(f"{known[-1].submission_id} is already running; following it", err=True)
        else:
            number = int((known[-1].submission_id or "").rpartition("-")[2]) + 1 if known else 1
            arguments = command(replace(first, attempt=number), wait)
        echo(shlex.join(arguments), err=True)
        code = _ray(arguments)
        if not wait:
            return code
        known = attempts(client.list_jobs(), first.name)
        if not known:
            return code  # Ray refused it and printed why
        job = known[-1]
        if not was_killed(job):
            return code if job.driver_exit_code is None else job.driver_exit_code
        echo(f"{job.submission_id} was killed; {left or 'no'} more attempt(s)", err=True)
    echo(RESUMES, err=True)
    return 1


def stop(client: JobSubmissionClient, submission: Submission) -> int:
    """Stop the attempt that runs, if any. What it has finished is saved."""
    live = [job for job in attempts(client.list_jobs(), submission.name) if str(job.status) in LIVE]
    if not live:
        echo("no job of this output is running")
        return 0
    return _ray(
        ["ray", "job", "stop", "--address", submission.address, str(live[-1].submission_id)]
    )


def submit(
    context: typer.Context,
    manifest: Annotated[
        str, typer.Argument(help="Parquet file, by a path or URL that the cluster sees.")
    ],
    output: Annotated[
        str, typer.Option("--output", "-o", help="Folder on a shared file system, or URL.")
    ],
    address: Annotated[str, typer.Option(help="The cluster's dashboard, as in http://HEAD:8265.")],
    working_dir: Annotated[
        Optional[Path],
        typer.Option(help="Folder to send to the cluster; relative paths mean files in it."),
    ] = None,
    runtime_env: Annotated[
        Optional[Path], typer.Option(help="YAML file with Ray's runtime environment.")
    ] = None,
    retries: Annotated[
        Optional[int], typer.Option(help="Maximum resubmissions of a killed job: 3.", min=0)
    ] = None,
    no_wait: Annotated[bool, typer.Option("--no-wait", help="Do not follow the job.")] = False,
    stop_: Annotated[bool, typer.Option("--stop", help="Stop the job that makes OUTPUT.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only print the command.")] = False,
) -> None:
    """Run on a Ray cluster. All other flags are those of `run`; the same command resumes it."""
    try:
        refuse_contradictions(stop_, dry_run, no_wait, retries)
        check_flags(context.args)
        first = plan(manifest, output, context.args, address, working_dir, _yaml(runtime_env))
        if dry_run:
            echo(shlex.join(command(first, not no_wait)))
            return
        client = _connect(address)
    except ValueError as error:
        echo(f"error: {error}", err=True)
        raise typer.Exit(USER_MISTAKE) from None
    from ray.exceptions import RayError

    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        if stop_:
            code = stop(client, first)
        else:
            more = RETRIES if retries is None else retries
            code = follow_to_end(client, first, not no_wait, more)
    except (OSError, RuntimeError, RayError) as error:
        echo(
            f"stopped: the cluster no longer answers ({error}); the job may go on. The same "
            "command follows it again",
            err=True,
        )
        raise typer.Exit(FAILED) from None
    except KeyboardInterrupt:
        echo(
            "no longer following; the job goes on. The same command follows it again, --stop ends "
            "it",
            err=True,
        )
        raise typer.Exit(INTERRUPTED) from None
    raise typer.Exit(code)


def refuse_contradictions(stop_: bool, dry_run: bool, no_wait: bool, retries: int | None) -> None:
    """
    Raises:
        ValueError: an option is given that has no effect beside another one.
    """
    if stop_ and (dry_run or no_wait or retries is not None):
        raise ValueError("--stop submits nothing: leave --dry-run, --no-wait and --retries out")
    if no_wait and retries is not None:
        raise ValueError("--retries needs this command to follow the job: leave --no-wait out")


def check_flags(flags: Sequence[str]) -> None:
    """Fail as `run` would if it does not take these flags, before anything is submitted."""
    from pipeline.cli import app

    group: Any = typer.main.get_command(app)
    group.commands["run"].make_context("run", ["MANIFEST", *flags])


def _yaml(file: Path | None) -> Any:
    import yaml

    if file is None:
        return {}
    try:
        if file.exists() and not file.is_file():
            # To open a pipe could wait for ever.
            raise OSError("it is not a regular file")
        value = yaml.safe_load(file.read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        why = getattr(error, "strerror", None) or error
        raise ValueError(f"--runtime-env {file}: cannot be read ({why})") from None
    if not isinstance(value, dict):
        raise ValueError(f"--runtime-env {file}: is not a table of keys and values")
    return value
