"""The command line: parses, calls, prints. Heavy imports wait until they are needed."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Optional

import typer

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Emotion-augmented image corpora: a manifest in, a sharded WebDataset out.",
)

classifiers = typer.Typer(no_args_is_help=True, help="Guides and judges of your own.")
app.add_typer(classifiers, name="classifier")

FAILED_REQUESTS, USER_MISTAKE, INTERRUPTED = 1, 2, 130

ManifestArgument = Annotated[
    str, typer.Argument(help="Parquet file (path or URL) with a prompt column.")
]
OutputArgument = Annotated[
    str, typer.Argument(help="Folder of a run (path or URL of an object store).")
]
ConfigOption = Annotated[
    Optional[Path], typer.Option("--config", help="TOML file with any of the settings.")
]
SetOption = Annotated[
    Optional[list[str]],
    typer.Option("--set", help="One setting, as in method.steps=30. May be repeated."),
]
EmotionsOption = Annotated[
    Optional[str],
    typer.Option(help="Comma-separated; for rows without an emotion. All by default."),
]
LimitOption = Annotated[Optional[int], typer.Option(help="Only the first so many requests.")]
SeedOption = Annotated[Optional[int], typer.Option(help="Seed of the run.")]
BatchOption = Annotated[Optional[int], typer.Option(help="Requests computed together.")]
ShardOption = Annotated[Optional[int], typer.Option(help="Accepted samples in a shard.")]


@contextmanager
def _speaking() -> Iterator[None]:
    """Turn expected errors into one message and an exit code."""
    from manifests.check import ManifestError
    from pipeline.errors import RunStopped, UserError

    try:
        yield
    except (UserError, ManifestError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(USER_MISTAKE) from None
    except RunStopped as error:
        typer.echo(f"stopped: {error}\nThe same command resumes the run.", err=True)
        raise typer.Exit(FAILED_REQUESTS) from None
    except OSError as error:
        where = f" {error.filename}" if error.filename else ""
        typer.echo(
            f"stopped: {error.strerror or error}{where}\nThe same command resumes the run.",
            err=True,
        )
        raise typer.Exit(FAILED_REQUESTS) from None
    except KeyboardInterrupt:
        typer.echo(
            "interrupted; what was finished is saved, and the same command resumes the run",
            err=True,
        )
        raise typer.Exit(INTERRUPTED) from None


@contextmanager
def _interruptible() -> Iterator[None]:
    """Ctrl-C and SIGTERM end the run in order, which takes seconds; a third one ends it at once.

    All that is finished is on disk at any time. But Ray's processes would be left behind if nobody ended them.
    """
    calls = 0

    def heard(*_: object) -> None:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise KeyboardInterrupt
        if calls == 2:
            # Not by print, which may have been what was interrupted.
            os.write(2, b"ending already; once more to leave at once, and Ray's processes behind\n")
        else:
            os._exit(INTERRUPTED)

    before = {number: signal.signal(number, heard) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _flags(emotions: str | None, **flags: Any) -> dict[str, Any]:
    names = [part for part in (emotions or "").split(",") if part.strip()]
    return {**flags, "emotions": names or None}


@app.command()
def run(
    manifest: ManifestArgument,
    output: Annotated[
        str,
        typer.Option(
            "--output", "-o", help="Folder to write (path or URL); resumes what is there."
        ),
    ] = "out",
    engine: Annotated[
        Optional[str], typer.Option(help="muse; or null, which draws without a model.")
    ] = None,
    model: Annotated[
        Optional[str], typer.Option(help="Stable Diffusion: a diffusers folder, file or hub id.")
    ] = None,
    guide: Annotated[
        Optional[str], typer.Option(help="Classifier (folder or hub id) whose gradient steers.")
    ] = None,
    judge: Annotated[
        Optional[str], typer.Option(help="Classifier (folder or hub id) whose confidence accepts.")
    ] = None,
    emotions: EmotionsOption = None,
    min_confidence: Annotated[
        Optional[float], typer.Option(help="The judge's, to accept a sample. [0, 1]")
    ] = None,
    candidates: Annotated[
        Optional[int], typer.Option(help="Tries of a request at most, until one is accepted.")
    ] = None,
    effort: Annotated[
        Optional[str],
        typer.Option(help="Tries are seeds; or ladder: what proves cheaper for an emotion."),
    ] = None,
    quota: Annotated[
        Optional[int], typer.Option(help="Accepted samples wanted of each emotion; then no more.")
    ] = None,
    executor: Annotated[
        Optional[str],
        typer.Option(help="ray; or local: in this process, one worker, for debugging."),
    ] = None,
    workers: Annotated[
        Optional[int], typer.Option(help="Worker processes; one per GPU or core by default.")
    ] = None,
    gpus_per_worker: Annotated[
        Optional[float], typer.Option(help="May be a fraction; 0 for the CPU.")
    ] = None,
    batch_size: BatchOption = None,
    shard_size: ShardOption = None,
    limit: LimitOption = None,
    seed: SeedOption = None,
    address: Annotated[
        Optional[str], typer.Option(help="Ray cluster; this machine by default.")
    ] = None,
    adopt: Annotated[
        bool,
        typer.Option(
            "--adopt", help="Resume in spite of differences that cannot change the images."
        ),
    ] = False,
    config: ConfigOption = None,
    set_: SetOption = None,
) -> None:
    """Make the corpus that MANIFEST asks for. The same command again resumes it."""
    with _speaking(), _interruptible():
        from pipeline.settings import load_config

        flags = _flags(
            emotions,
            engine=engine,
            model=model,
            guide=guide,
            judge=judge,
            min_confidence=min_confidence,
            candidates=candidates,
            effort=effort,
            quota=quota,
            executor=executor,
            workers=workers,
            gpus_per_worker=gpus_per_worker,
            batch_size=batch_size,
            shard_size=shard_size,
            limit=limit,
            seed=seed,
            address=address,
        )
        settings = load_config(config, set_ or [], flags)
        from pipeline.run import execute
        from pipeline.storage.files import location

        where = location(output, settings.store_timeout_s)
        outcome = execute(
            manifest, where, settings, lambda text: typer.echo(f"warning: {text}", err=True), adopt
        )
    counts = outcome.counts
    typer.echo(
        f"{output}: {'was complete already; ' if outcome.already_done else ''}{counts['requests']} requests: "
        f"{counts['accepted']} accepted, {counts['rejected']} rejected, {counts['failed']} failed"
    )
    if counts["failed"]:
        typer.echo(f"reasons: status and reason in {output}/metadata.parquet", err=True)
        raise typer.Exit(FAILED_REQUESTS)


@app.command()
def plan(
    manifest: ManifestArgument,
    output: Annotated[
        Optional[str], typer.Option("--output", "-o", help="Write each request to this parquet.")
    ] = None,
    emotions: EmotionsOption = None,
    batch_size: BatchOption = None,
    shard_size: ShardOption = None,
    limit: LimitOption = None,
    seed: SeedOption = None,
    config: ConfigOption = None,
    set_: SetOption = None,
) -> None:
    """Check MANIFEST and say what a run would make, without loading a model."""
    with _speaking():
        from pipeline.planning.dry_run import dry_run
        from pipeline.settings import load_config
        from pipeline.storage.files import location

        flags = _flags(
            emotions, batch_size=batch_size, shard_size=shard_size, limit=limit, seed=seed
        )
        numbers = dry_run(
            manifest, load_config(config, set_ or [], flags), location(output) if output else None
        )
    typer.echo(json.dumps(numbers, indent=2))


@app.command()
def status(
    output: OutputArgument,
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """Say how far the run in OUTPUT is, from its files alone."""
    with _speaking():
        from pipeline.output.status import as_text
        from pipeline.output.status import status as state_of
        from pipeline.storage.files import location

        state = state_of(location(output))
    typer.echo(json.dumps(state, indent=2) if as_json else as_text(state))


@app.command()
def verify(output: OutputArgument) -> None:
    """Read the corpus in OUTPUT again and hold it against its index and its plan."""
    with _speaking():
        from pipeline.output.verify import notes
        from pipeline.output.verify import verify as problems_of
        from pipeline.storage.files import location

        problems = problems_of(location(output))
        for note in notes(location(output)):
            typer.echo(f"note: {note}")
    for problem in problems:
        typer.echo(problem, err=True)
    if problems:
        typer.echo(f"{output}: {len(problems)} problem(s)", err=True)
        raise typer.Exit(1)
    typer.echo(f"{output}: sound")


@classifiers.command()
def fit(
    data: Annotated[
        Path,
        typer.Argument(help="Folder of class folders, tar shards, parquet, or a saved data set."),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder to write the classifier to.")
    ],
    backbone: Annotated[
        Optional[str], typer.Option(help="Image model to start from: a folder or hub id.")
    ] = None,
    config: ConfigOption = None,
    set_: Annotated[
        Optional[list[str]], typer.Option("--set", help="One setting, as in fine_tune=true.")
    ] = None,
) -> None:
    """Fit an emotion classifier to labelled images: a --guide or --judge with its figures."""
    with _speaking():
        from pipeline.classifier.fit import fit as fitted
        from pipeline.classifier.training import Fit
        from pipeline.settings import load

        settings = load(Fit, config, set_ or [], {"backbone": backbone})
        figures = fitted(data, output, settings, typer.echo)
    low, high = figures["interval"]
    typer.echo(
        f"{output}: accuracy {figures['accuracy']:.1%} ({low:.1%} to {high:.1%}) on {figures['images']} held-out images"
    )


@app.command()
def refilter(
    source: OutputArgument,
    output: Annotated[
        str, typer.Option("--output", "-o", help="Folder of the new corpus (path or URL).")
    ],
    min_confidence: Annotated[
        Optional[float], typer.Option(help="The judge's, to accept a sample. [0, 1]")
    ] = None,
    set_: SetOption = None,
) -> None:
    """Apply other thresholds to the corpus in SOURCE, by its stored scores and without a model."""
    with _speaking(), _interruptible():
        from pipeline.output.refilter import refilter as filtered
        from pipeline.storage.files import location

        flags = {"min_confidence": min_confidence}
        counts = filtered(
            location(source),
            location(output),
            set_ or [],
            flags,
            lambda text: typer.echo(f"warning: {text}", err=True),
        )
    _tell(output, counts)


@app.command()
def merge(
    sources: Annotated[list[str], typer.Argument(help="Folders of complete corpora.")],
    output: Annotated[
        str, typer.Option("--output", "-o", help="Folder of the new corpus (path or URL).")
    ],
) -> None:
    """Make one corpus of several, with new keys."""
    with _speaking(), _interruptible():
        from pipeline.output.merge import merge as merged
        from pipeline.storage.files import location

        counts = merged([location(source) for source in sources], location(output))
    _tell(output, counts)


@app.command()
def retry(
    output: OutputArgument,
    status: Annotated[
        str, typer.Option(help="Which requests; only failed ones can end otherwise.")
    ] = "failed",
) -> None:
    """Reopen the failed requests of the complete corpus in OUTPUT; the run command then makes them again."""
    with _speaking(), _interruptible():
        from pipeline.errors import UserError
        from pipeline.output.retry import reopen
        from pipeline.storage.files import location

        if status != "failed":
            raise UserError(f"--status {status}: only failed requests are reopened; the same settings reject the same "
                            "samples again (refilter applies other thresholds)")  # fmt: skip
        reopened = reopen(location(output))
    if reopened.requests:
        typer.echo(
            f"{output}: {reopened.requests} request(s) in {reopened.batches} batch(es) reopened; "
            "the same run command makes them"
        )
    else:
        typer.echo(f"{output}: no request failed")


def _tell(output: str, counts: Mapping[str, Any]) -> None:
    told = ", ".join(f"{counts[name]} {name}" for name in ("accepted", "rejected", "failed"))
    typer.echo(f"{output}: {counts['requests']} requests: {told}")


def main() -> None:
    app(prog_name="muse-batch")


if __name__ == "__main__":
    main()
