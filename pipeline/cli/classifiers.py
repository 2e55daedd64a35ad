"""The command that fits a classifier."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from pipeline.cli import options
from pipeline.cli.console import echo, reported_errors, warn


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
    config: options.ConfigFile = None,
    set_: Annotated[
        Optional[list[str]], typer.Option("--set", help="One setting, as in fine_tune=true.")
    ] = None,
) -> None:
    """Fit an emotion classifier to labelled images, as --guide or --judge, and measure it."""
    with reported_errors():
        from pipeline.classifier.fit import fit as fit_classifier
        from pipeline.classifier.training import Fit
        from pipeline.settings import load

        settings = load(Fit, config, set_ or [], {"backbone": backbone})
        figures = fit_classifier(data, output, settings, echo)
    low, high = figures["interval"]
    echo(
        f"{output}: accuracy {figures['accuracy']:.1%} ({low:.1%} to {high:.1%}) "
        f"on {figures['images']} held-out images"
    )
    for problem in figures["problems"]:
        warn(f"do not rely on {output}: {problem}")
