"""`muse-batch try`: a few images before the run, and what they took."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from pipeline.cli import options
from pipeline.cli.console import echo, next_command, reported_errors, warn_once

if TYPE_CHECKING:
    from pipeline.config import Config
    from pipeline.forecast.trial import Trial


@options.takes_settings(*options.OF_MODELS)
def try_(
    manifest: options.Manifest,
    output: Annotated[
        str, typer.Option("--output", "-o", help="Folder of the trial; an earlier one is replaced.")
    ] = "try",
    rows: Annotated[
        Optional[str],
        typer.Option(help="Rows of the manifest, from 0, comma-separated; else one per emotion."),
    ] = None,
    *,
    given: options.Given,
) -> None:
    """Make a few images of MANIFEST with the real models and measure them, in this process, always
    without Ray."""
    with reported_errors():
        from pipeline.forecast.trial import run_trial
        from pipeline.storage.addresses import normalized
        from pipeline.storage.files import location
        from pipeline.watch.row_progress import RowProgress

        settings = given.load()
        where = location(output)
        chosen = _numbers(rows)
        with RowProgress("checking the manifest") as progress:
            trial = run_trial(normalized(manifest), where, settings, chosen, warn_once(), progress)
    print_trial(trial, settings)
    # What follows has the batch size that fits.
    words = given.replaced(trial.fitting).words(*options.OF_MODELS)
    echo(f"Look at {trial.page}\n{next_command('plan', manifest, '--from', output, *words)}")


def _numbers(rows: str | None) -> list[int] | None:
    """
    Raises:
        UserError: not numbers.
    """
    from pipeline.errors import UserError

    if rows is None:
        return None
    try:
        return [int(number) for number in rows.split(",")]
    except ValueError:
        raise UserError(
            f"--rows {rows}: give the numbers of rows from 0, comma-separated, as 0,4,7"
        ) from None


def print_trial(trial: Trial, settings: Config) -> None:
    """A line for each image, then what they took, and what follows for a run with the settings."""
    from pipeline.cli.tables import print_facts, print_rows
    from pipeline.forecast.trial import facts_of

    columns = ("task", "status", "for the target", "judge sees", "guide sees")
    print_rows("Images", columns, [_line(row) for row in trial.rows])
    if rejected := dict(_rejections(trial.rows)):
        print_facts("Rejected", rejected)
    print_facts("Measured", facts_of(trial, settings))


def _line(row: Mapping[str, Any]) -> Sequence[str]:
    """Of one image: what was asked for, and what judge and guide find in it."""
    asked = (row["emotion"] or row["mixture"], row["task"], row["status"])
    if row["judge_confidence"] is None:
        return (*asked, "", row["reason"] or "", "")
    seen = (row["judge_emotion"] or "", row["guide_emotion"] or "")
    return (*asked, f"{row['judge_confidence']:.2f}", *seen)


def _rejections(rows: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    """Why images were rejected, by what was asked for."""
    from pipeline.generation.verdicts import REJECTED

    for row in rows:
        if row["status"] == REJECTED:
            yield f"{row['emotion'] or row['mixture']}, {row['task']}", row["reason"]
