"""The commands on one run: make, plan, inspect and verify it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from pipeline.cli import options
from pipeline.cli.console import (
    FAILED,
    USER_MISTAKE,
    echo,
    next_command,
    reported_errors,
    told_if_slow,
    warn_once,
)
from pipeline.cli.corpora.endings import print_endings
from pipeline.cli.manifests.plan_table import print_plan

if TYPE_CHECKING:
    from pipeline.planning.dry_run import DryRun

OF_FORECASTS = ("workers", "gpus_per_worker", "gpu_hour_price")
"""Settings that `plan` reads for a forecast alone."""

CHECKING = "checking the manifest"
"""What `plan` and `run` show while they read a long one."""

WATCH_SECONDS = 5.0
"""Seconds between two looks of `status --watch`."""


@options.takes_settings(*(name for name in options.OPTIONS if name != "gpu_hour_price"))
def run(
    manifest: options.Manifest,
    output: Annotated[
        str,
        typer.Option(
            "--output", "-o", help="Folder to write (path or URL); resumes what is there."
        ),
    ] = "out",
    adopt: Annotated[
        bool,
        typer.Option("--adopt", help="Resume despite differences that cannot change the images."),
    ] = False,
    *,
    given: options.Given,
) -> None:
    """Make the corpus of MANIFEST. The same command resumes it."""
    with reported_errors(resumes=True):
        settings, warn = given.load(), warn_once()
        from pipeline.storage.addresses import normalized
        from pipeline.storage.files import location
        from pipeline.storage.targets import refuse_place

        where = location(output, settings.store_timeout_s)
        # Before the import of torch, which takes seconds.
        refuse_place(where)
        from pipeline.execute import execute
        from pipeline.watch.row_progress import RowProgress

        with RowProgress(CHECKING) as progress:
            outcome = execute(
                normalized(manifest), where, settings, warn, adopt, on_progress=progress
            )
        if settings.report:
            from pipeline.report.build import REPORT_FILE, write_last_report

            if not (outcome.already_done and (where / REPORT_FILE).exists()):
                write_last_report(where, normalized(manifest), warn)
    print_endings(output, outcome.counts, outcome.already_done)
    if settings.report:
        from pipeline.report.build import REPORT_FILE

        echo(f"Look at {output}/{REPORT_FILE}")
    # Where nothing was accepted there is nothing to view.
    if outcome.counts["failed"] and not outcome.counts["accepted"]:
        echo(next_command("retry", output))
        echo("Then the same run command makes the failed requests again.")
    elif settings.report:
        echo(next_command("view", output))
    if outcome.counts["failed"]:
        raise typer.Exit(FAILED)


@options.takes_settings("engine", *options.OF_MODELS, "shard_size", "limit", *OF_FORECASTS)
def plan(
    manifest: options.Manifest,
    output: Annotated[
        Optional[str],
        typer.Option("--output", "-o", help="Write the requests to this Parquet file."),
    ] = None,
    measured: Annotated[
        Optional[str],
        typer.Option("--from", help="Forecast from this trial or output of a run."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    *,
    given: options.Given,
) -> None:
    """Check MANIFEST and print what a run would make, without loading a model."""
    with reported_errors(), told_if_slow("checking the manifest, its prompts and its images"):
        from pipeline.planning.dry_run import dry_run
        from pipeline.storage.addresses import normalized
        from pipeline.storage.files import location
        from pipeline.watch.row_progress import RowProgress

        settings = given.load()
        if measured is None:
            _refuse_forecast_options(given)
        file = location(output) if output else None
        with RowProgress(CHECKING) as progress:
            planned = dry_run(normalized(manifest), settings, file, progress)
        if measured is not None:
            from pipeline.forecast.forecast import forecast_for

            expected = forecast_for(location(measured), settings, planned.tasks)
            planned = replace(planned, forecast=expected)
    warn = warn_once()
    for text in planned.warnings:
        warn(text)
    if as_json:
        echo(json.dumps(planned.as_json(), indent=2))
    else:
        print_plan(planned, settings)
        if not planned.problems:
            _print_next(manifest, planned, given)
    if planned.contents.images and planned.problems:
        count = planned.contents.images.unusable
        echo(f"{manifest}: {count} image(s) cannot be used; a run fails their requests", err=True)
        for problem in planned.problems:
            echo(f"  {problem}", err=True)
        raise typer.Exit(USER_MISTAKE)


def _print_next(manifest: str, planned: DryRun, given: options.Given) -> None:
    """What comes after a plan: measuring, then the run."""
    if planned.forecast is None and given.flags["engine"] is None:
        # What a trial does not read goes on to the plan and the run that come after it.
        carried = ("shard_size", "limit")
        words = ["try", manifest, *given.words(*options.OF_MODELS, others=carried)]
    else:
        of_run = ("engine", *options.OF_MODELS, "shard_size", "limit", "workers", "gpus_per_worker")
        words = ["run", manifest, "--output", "out", *given.words(*of_run)]
    echo(next_command(*words))


def _refuse_forecast_options(given: options.Given) -> None:
    """
    Raises:
        UserError: an option is given that only a forecast reads, and there is none.
    """
    from pipeline.errors import UserError
    from pipeline.settings.loading import flag_of

    names = [flag_of(name) for name in OF_FORECASTS if given.flags[name] is not None]
    if names:
        raise UserError(
            f"{', '.join(names)}: only a forecast needs this; give --from TRIAL or --from OUTPUT, "
            "too (`muse-batch try` makes a trial), or leave it out"
        )


def status(
    output: options.Corpus,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    watch: Annotated[
        bool, typer.Option("--watch", help="Show it again and again until the run is complete.")
    ] = False,
    interval: Annotated[
        Optional[float],
        typer.Option(
            min=0.1, max=86_400, help=f"Seconds between two looks of --watch: {WATCH_SECONDS:g}."
        ),
    ] = None,
) -> None:
    """Print the progress of the run in OUTPUT, from its files alone, on any machine."""
    with reported_errors():
        from pipeline.corpora.status import as_text
        from pipeline.corpora.status import status as state_of
        from pipeline.errors import UserError
        from pipeline.storage.files import location

        if watch and as_json:
            raise UserError("--json is not printed with --watch; give one of the two")
        if interval is not None and not watch:
            raise UserError(f"--interval {interval:g}: only --watch looks again; give both")
        if watch:
            from pipeline.watch.follow import follow

            follow(location(output), interval or WATCH_SECONDS)
            return
        state = state_of(location(output))
    echo(json.dumps(state, indent=2) if as_json else as_text(state))
    if state["damage"]:
        raise typer.Exit(FAILED)


def verify(output: options.Corpus) -> None:
    """Read the corpus in OUTPUT again and compare it with its index and its plan."""
    with reported_errors():
        from pipeline.corpora.verify import notes
        from pipeline.corpora.verify import verify as problems_of
        from pipeline.storage.files import location

        problems = problems_of(location(output))
        for note in notes(location(output)):
            echo(f"note: {note}")
    for problem in problems:
        echo(problem, err=True)
    if problems:
        echo(f"{output}: {len(problems)} problem(s)", err=True)
        raise typer.Exit(1)
    echo(f"{output}: OK")
