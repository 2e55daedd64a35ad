"""The commands on one run: make, plan, inspect and verify it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Annotated, Optional

import typer

from pipeline.cli import options
from pipeline.cli.console import FAILED, USER_MISTAKE, echo, reported_errors, warn
from pipeline.cli.endings import print_endings
from pipeline.cli.plan_table import print_plan

WATCH_SECONDS = 5.0
"""Seconds between two looks of `status --watch`."""


def run(
    manifest: options.Manifest,
    output: Annotated[
        str,
        typer.Option(
            "--output", "-o", help="Folder to write (path or URL); resumes what is there."
        ),
    ] = "out",
    engine: options.Engine = None,
    model: options.Model = None,
    guide: options.Guide = None,
    judge: options.Judge = None,
    emotions: options.Emotions = None,
    allow_columns: options.AllowColumns = False,
    min_confidence: options.MinConfidence = None,
    candidates: Annotated[Optional[int], typer.Option(help="Maximum tries of a request.")] = None,
    retry_strategy: Annotated[
        Optional[str],
        typer.Option(help="Later tries: reseed (another seed) or auto (the cheaper)."),
    ] = None,
    quota: Annotated[
        Optional[int], typer.Option(help="Maximum accepted samples of each emotion.")
    ] = None,
    executor: Annotated[
        Optional[str],
        typer.Option(help="ray, or local: one worker in this process, to debug."),
    ] = None,
    workers: options.Workers = None,
    gpus_per_worker: options.GpusPerWorker = None,
    batch_size: options.BatchSize = None,
    shard_size: options.ShardSize = None,
    limit: options.Limit = None,
    seed: options.Seed = None,
    address: Annotated[
        Optional[str], typer.Option(help="Address of a Ray cluster; this machine by default.")
    ] = None,
    adopt: Annotated[
        bool,
        typer.Option("--adopt", help="Resume despite differences that cannot change the images."),
    ] = False,
    config: options.ConfigFile = None,
    set_: options.Set = None,
) -> None:
    """Make the corpus of MANIFEST. The same command resumes it."""
    with reported_errors(resumes=True):
        from pipeline.settings import load_config

        flags = options.flags(
            emotions,
            engine=engine,
            model=model,
            guide=guide,
            judge=judge,
            min_confidence=min_confidence,
            candidates=candidates,
            retry_strategy=retry_strategy,
            quota=quota,
            executor=executor,
            workers=workers,
            gpus_per_worker=gpus_per_worker,
            batch_size=batch_size,
            shard_size=shard_size,
            limit=limit,
            seed=seed,
            address=address,
            allow_columns=allow_columns or None,
        )
        settings = load_config(config, set_ or [], flags)
        from pipeline.execute import execute
        from pipeline.storage.addresses import normalized
        from pipeline.storage.files import location

        where = location(output, settings.store_timeout_s)
        outcome = execute(normalized(manifest), where, settings, warn, adopt)
        if settings.report:
            from pipeline.report.build import REPORT_FILE, write_last_report

            if not (outcome.already_done and (where / REPORT_FILE).exists()):
                write_last_report(where, normalized(manifest), warn)
    print_endings(output, outcome.counts, outcome.already_done)
    if settings.report:
        echo(f"look at {output}/report.html; to browse: muse-batch view {output}")
    if outcome.counts["failed"]:
        raise typer.Exit(FAILED)


def plan(
    manifest: options.Manifest,
    output: Annotated[
        Optional[str],
        typer.Option("--output", "-o", help="Write the requests to this Parquet file."),
    ] = None,
    engine: options.Engine = None,
    model: options.Model = None,
    guide: options.Guide = None,
    judge: options.Judge = None,
    emotions: options.Emotions = None,
    allow_columns: options.AllowColumns = False,
    batch_size: options.BatchSize = None,
    shard_size: options.ShardSize = None,
    limit: options.Limit = None,
    seed: options.Seed = None,
    measured: Annotated[
        Optional[str],
        typer.Option("--from", help="Forecast from this trial or output of a run."),
    ] = None,
    workers: options.Workers = None,
    gpus_per_worker: options.GpusPerWorker = None,
    price: Annotated[Optional[float], typer.Option(help="Of a GPU for an hour.")] = None,
    config: options.ConfigFile = None,
    set_: options.Set = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check MANIFEST and print what a run would make, without loading a model."""
    with reported_errors():
        from pipeline.planning.dry_run import dry_run
        from pipeline.settings import load_config
        from pipeline.storage.addresses import normalized
        from pipeline.storage.files import location

        flags = options.flags(
            emotions,
            engine=engine,
            model=model,
            guide=guide,
            judge=judge,
            batch_size=batch_size,
            shard_size=shard_size,
            limit=limit,
            seed=seed,
            workers=workers,
            gpus_per_worker=gpus_per_worker,
            gpu_hour_price=price,
            allow_columns=allow_columns or None,
        )
        settings = load_config(config, set_ or [], flags)
        if measured is None:
            _refuse_forecast_options(price, workers, gpus_per_worker)
        planned = dry_run(normalized(manifest), settings, location(output) if output else None)
        if measured is not None:
            from pipeline.forecast.forecast import forecast_for

            expected = forecast_for(location(measured), settings, planned.tasks)
            planned = replace(planned, forecast=expected)
    for text in planned.warnings:
        warn(text)
    if as_json:
        echo(json.dumps(planned.as_json(), indent=2))
    else:
        print_plan(planned, settings)
    if planned.contents.images and planned.problems:
        count = planned.contents.images.unusable
        echo(f"{manifest}: {count} image(s) cannot be used; a run fails their requests", err=True)
        for problem in planned.problems:
            echo(f"  {problem}", err=True)
        raise typer.Exit(USER_MISTAKE)


def _refuse_forecast_options(*values: float | None) -> None:
    """
    Raises:
        UserError: an option is given that only a forecast reads, and there is none.
    """
    from pipeline.errors import UserError

    names = ("--price", "--workers", "--gpus-per-worker")
    given = [name for name, value in zip(names, values, strict=True) if value is not None]
    if given:
        raise UserError(
            f"{', '.join(given)}: only a forecast needs this; give --from TRIAL or --from OUTPUT, "
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
        typer.Option(min=0.1, max=86_400, help="Seconds between two looks of --watch: 5."),
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
