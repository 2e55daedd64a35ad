"""The commands on manifests: build, show and check."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from pipeline.cli import options
from pipeline.cli.console import USER_MISTAKE, echo, next_command, reported_errors, warn, warn_once
from pipeline.cli.manifests.manifest_tables import print_summary
from pipeline.cli.tables import print_counts

if TYPE_CHECKING:
    from manifests.builder.recipe import Built, Captioner

LINE_SECONDS = 10.0
"""Seconds between two lines on the progress of captions and rows."""

OPEN = "(each of the run's)"
"""The emotion of rows that leave it open."""


def build(
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE",
            help="A .txt with a prompt a line; .csv, .tsv, .jsonl, .parquet; a folder of images; "
            "a .tar or a folder of them; a saved `datasets` folder; a hub id owner/name.",
        ),
    ],
    output: Annotated[str, typer.Option("--output", "-o", help="Parquet file to write.")],
    emotions: Annotated[
        Optional[str],
        typer.Option(
            help="Of items that name none: awe,fear or all; a mixture is awe:0.6+fear:0.4."
        ),
    ] = None,
    taxonomy: Annotated[
        str, typer.Option(help="The emotions that exist: a name, or a TOML file.")
    ] = "mikels-8",
    prompt: Annotated[Optional[str], typer.Option(help="Prompt of items that have none.")] = None,
    captioner: Annotated[
        Optional[str],
        typer.Option(help="Folder of a captioning model, for images that have no caption."),
    ] = None,
    map_: Annotated[
        Optional[list[str]],
        typer.Option("--map", help="A column by its name, as prompt=caption; id= for none."),
    ] = None,
    replicates: Annotated[
        int, typer.Option(min=1, max=10_000, help="Rows for each item and emotion.")
    ] = 1,
    balanced: Annotated[
        bool, typer.Option("--balanced", help="The same number of rows for each emotion.")
    ] = False,
    weights_column: Annotated[
        Optional[str], typer.Option(help="Column that says how often an item shall occur.")
    ] = None,
    limit: Annotated[Optional[int], typer.Option(min=1, help="Only this many rows.")] = None,
    seed: Annotated[
        Optional[int], typer.Option(help="Seed of the choice, where not all is taken; 0.")
    ] = None,
    split: Annotated[Optional[str], typer.Option(help="Split of a `datasets` set.")] = None,
    subset: Annotated[Optional[str], typer.Option(help="Configuration of a hub id.")] = None,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Leave out items with a problem, and name them.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
) -> None:
    """Make a manifest of prompts, images or tables, crossed with emotions."""
    with reported_errors():
        from pathlib import Path

        from manifests.builder.build import build as build_manifest
        from manifests.builder.build import refuse_output
        from manifests.builder.columns import parse_mapping
        from manifests.builder.recipe import Recipe
        from manifests.builder.sources.open import open_source
        from manifests.builder.sources.text import TextSource
        from muse.emotions.taxonomies import load_taxonomy
        from pipeline.errors import UserError
        from pipeline.models.captioner import Captioner as FolderCaptioner
        from pipeline.planning.checks.image_check import ImageCheck
        from pipeline.storage.targets import refuse_target

        if prompt is not None and not prompt.strip():
            raise UserError("--prompt is empty; give the prompt, or leave it out")
        refuse_output(output, force)
        refuse_target(Path(output).expanduser())
        try:
            mapping = parse_mapping(map_ or [])
            labels = load_taxonomy(taxonomy).labels
        except ValueError as error:
            raise UserError(str(error)) from None
        recipe = Recipe(
            labels=labels,
            emotions=emotions,
            prompt=prompt,
            replicates=replicates,
            balanced=balanced,
            weights_column=weights_column,
            limit=limit,
            seed=seed,
            skip_bad=skip_bad,
        )
        opened = [open_source(source, mapping, split, subset) for source in sources]
        if map_ and all(isinstance(source, TextSource) for source in opened):
            raise UserError(f"--map {map_[0]}: a .txt has no columns; leave it out")
        model = _with_progress(FolderCaptioner(captioner)) if captioner else None
        check = ImageCheck(os.path.sep)
        built = build_manifest(
            opened,
            output,
            recipe,
            model,
            check.problem_of,
            force,
            on_rows=_progress("rows written"),
        )
    _print_built(output, built, labels)


@options.takes_settings(*options.OF_MANIFESTS)
def show(manifest: options.Manifest, *, given: options.Given) -> None:
    """Print what MANIFEST holds: emotions, tasks, prompts that are cut, repetitions, images."""
    with reported_errors():
        from pipeline.planning.manifest_input import fetched_manifest, folder_of
        from pipeline.planning.manifest_summary import summarize
        from pipeline.storage.addresses import normalized
        from pipeline.watch.row_progress import RowProgress

        settings = given.load()
        path = normalized(manifest)
        with (
            fetched_manifest(path, settings, warn) as local,
            RowProgress("reading the manifest") as progress,
        ):
            summary = summarize(local, folder_of(path), settings, progress)
    print_summary(summary, settings)


@options.takes_settings(*options.OF_MANIFESTS)
def check(manifest: options.Manifest, *, given: options.Given) -> None:
    """Print everything that is wrong with MANIFEST, by row and column, with its remedy."""
    with reported_errors():
        from pipeline.planning.checks.manifest_check import check_manifest
        from pipeline.storage.addresses import normalized
        from pipeline.watch.row_progress import RowProgress

        settings = given.load()
        with RowProgress("checking the manifest") as progress:
            found = check_manifest(normalized(manifest), settings, progress)
    tell = warn_once()
    for text in found.warnings:
        tell(text)
    if found.problems:
        echo(f"{manifest}: {len(found.problems) + found.more:,} problem(s)", err=True)
        for problem in found.problems:
            echo(f"  {problem}", err=True)
        if found.more:
            echo(f"  and {found.more:,} more", err=True)
        raise typer.Exit(USER_MISTAKE)
    images = f", {found.local_images:,} local image(s)" if found.local_images else ""
    if found.remote_images:
        images += f", {found.remote_fetched:,} of {found.remote_images:,} remote image(s)"
    echo(f"{manifest}: OK; checked {found.rows:,} row(s){images}")


def _with_progress(captioner: Captioner) -> Captioner:
    """The same captioner, which says now and then how many captions it has made."""
    made, tell = 0, _progress("captions made")

    def call(images: Sequence[str | bytes]) -> list[str]:
        nonlocal made
        captions = captioner(images)
        made += len(captions)
        tell(made)
        return captions

    return call


def _progress(what: str) -> Callable[[int], None]:
    """Prints how many there are, if the last line was some time ago."""
    last = time.monotonic()

    def tell(count: int) -> None:
        nonlocal last
        if time.monotonic() - last >= LINE_SECONDS:
            last = time.monotonic()
            echo(f"{count:,} {what}", err=True)

    return tell


def _print_built(output: str, built: Built, labels: Sequence[str]) -> None:
    """What is missing, what was made, by emotion and task, and what was guessed or ignored."""
    for text in built.warnings:
        warn(text)
    names = {*built.generate, *built.edit}
    # Emotions in the order of the taxonomy, then mixtures, then what is left open.
    mixtures = sorted(names - {*labels, ""})
    ordered = [name for name in (*labels, *mixtures, "") if name in names]
    rows = [(name or OPEN, (built.generate[name], built.edit[name])) for name in ordered]
    echo(f"{output}: {built.rows:,} row(s) of {built.items:,} item(s)\n")
    print_counts("Rows by emotion", ("generate", "edit"), rows)
    for note in built.notes:
        if note not in built.warnings:
            echo(note)
    if "" in names:
        echo("Rows without an emotion are made for every emotion of the run (--emotions).")
    echo(next_command("plan", output))
