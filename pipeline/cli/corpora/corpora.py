"""The commands that make a corpus from corpora."""

from __future__ import annotations

from typing import Annotated, Optional

import typer

from pipeline.cli import options
from pipeline.cli.console import echo, next_command, reported_errors, warn
from pipeline.cli.corpora.endings import print_endings


def refilter(
    source: options.Corpus,
    output: options.NewCorpus,
    min_confidence: options.MinConfidence = None,
    flags: Annotated[
        Optional[str],
        typer.Option(help="Flags set by hand in `view`, as SOURCE/flags.parquet; they go first."),
    ] = None,
    set_: options.Set = None,
) -> None:
    """Apply other thresholds, or flags, to the corpus in SOURCE, without a model."""
    with reported_errors():
        from pipeline.corpora.refilter import refilter as refilter_corpus
        from pipeline.storage.files import location
        from pipeline.storage.remote import is_url

        given = {"min_confidence": min_confidence}
        if min_confidence is None and flags is None and not set_:
            warn("no threshold and no flags are given, so the new corpus has the same samples")
        by_hand = location(flags) if flags is not None else None
        counts = refilter_corpus(
            location(source), location(output), set_ or [], given, warn, by_hand
        )
    print_endings(output, counts)
    echo(next_command("report", output))
    # Only a local folder is published.
    if not is_url(output):
        echo(next_command("publish", output, "OWNER/NAME", "--dry-run"))


def merge(
    sources: Annotated[list[str], typer.Argument(help="Folders of complete corpora.")],
    output: options.NewCorpus,
) -> None:
    """Make one corpus of several, with new keys."""
    with reported_errors():
        from pipeline.corpora.merge import merge as merge_corpora
        from pipeline.storage.files import location

        counts = merge_corpora([location(source) for source in sources], location(output))
    print_endings(output, counts)
    echo(next_command("report", output))


def retry(
    output: options.Corpus,
    status: Annotated[
        str, typer.Option(help="Which requests; only failed ones can be retried.")
    ] = "failed",
) -> None:
    """Reopen the failed requests of the complete corpus in OUTPUT, for the same run command."""
    with reported_errors():
        from pipeline.corpora.retry import reopen
        from pipeline.errors import UserError
        from pipeline.storage.files import location

        if status != "failed":
            raise UserError(
                f"--status {status}: only failed requests are reopened; the same settings reject "
                "the same samples again (refilter applies other thresholds)"
            )
        reopened = reopen(location(output))
    if reopened.requests:
        echo(
            f"{output}: {reopened.requests} request(s) in {reopened.batches} batch(es) reopened; "
            "the same run command makes them"
        )
    else:
        echo(f"{output}: no request failed")


def export(
    source: options.Corpus,
    to: Annotated[str, typer.Option("--to", help="imagefolder, parquet or lance.")],
    output: Annotated[str, typer.Option("--output", "-o", help="New local folder.")],
) -> None:
    """Write the accepted samples of the corpus in SOURCE in a form that other tools read."""
    with reported_errors():
        from pipeline.corpora.export import export as export_corpus
        from pipeline.storage.files import location

        count = export_corpus(location(source), to, location(output))
    echo(f"{output}: {count} samples as {to}")


def publish(
    source: options.Corpus,
    repository: Annotated[str, typer.Argument(help="A data set of a hub, as owner/name.")],
    private: Annotated[
        bool, typer.Option("--private", help="Make a new repository private.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check and print what would be uploaded.")
    ] = False,
) -> None:
    """Upload the corpus in SOURCE to a Hugging Face hub. The same command resumes it."""
    with reported_errors():
        from pathlib import Path

        from pipeline.corpora import publish as publishing
        from pipeline.storage.files import location

        upload = publishing.plan_upload(location(source), repository)
        for text in upload.warnings:
            warn(text)
        size = sum(upload.files.values())
        echo(f"{source}: {len(upload.files)} files, {size:,} bytes, to the data set {repository}")
        if dry_run:
            for name in sorted(upload.files):
                echo(f"  {upload.files[name]:>15,}  {name}")
            echo("nothing was uploaded")
            return
        url = publishing.publish(Path(source), upload, private)
    echo(url)
