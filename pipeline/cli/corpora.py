"""The commands that make a corpus from corpora."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from pipeline.cli import options
from pipeline.cli.console import echo, reported_errors, warn


def refilter(
    source: options.Corpus,
    output: options.NewCorpus,
    min_confidence: options.MinConfidence = None,
    set_: options.Set = None,
) -> None:
    """Apply other thresholds to the corpus in SOURCE, by its stored scores, without a model."""
    with reported_errors():
        from pipeline.corpora.refilter import refilter as refilter_corpus
        from pipeline.storage.files import location

        flags = {"min_confidence": min_confidence}
        counts = refilter_corpus(location(source), location(output), set_ or [], flags, warn)
    print_counts(output, counts)


def merge(
    sources: Annotated[list[str], typer.Argument(help="Folders of complete corpora.")],
    output: options.NewCorpus,
) -> None:
    """Make one corpus of several, with new keys."""
    with reported_errors():
        from pipeline.corpora.merge import merge as merge_corpora
        from pipeline.storage.files import location

        counts = merge_corpora([location(source) for source in sources], location(output))
    print_counts(output, counts)


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


def print_counts(output: str, counts: Mapping[str, Any]) -> None:
    """One line: how many requests, and what became of them."""
    parts = [f"{counts[name]} {name}" for name in ("accepted", "rejected", "failed")]
    echo(f"{output}: {counts['requests']} requests: {', '.join(parts)}")
