"""The commands that show a corpus to people."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Annotated, Optional

import typer

from pipeline.cli import options
from pipeline.cli.console import echo, next_command, reported_errors, warn


def show(
    output: options.Corpus,
    key: Annotated[str, typer.Argument(help="Key of the sample, as 000000000042.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, without picture.")] = False,
) -> None:
    """Show one sample of OUTPUT: its picture and metadata, and which tar it is in."""
    with reported_errors():
        from muse.images import UnreadableImageError
        from pipeline.errors import UserError
        from pipeline.storage.files import location
        from pipeline.view.sample import as_text, find_sample
        from pipeline.view.terminal_picture import print_picture

        sample = find_sample(location(output), key)
        if as_json:
            echo(json.dumps(sample.as_json(), indent=2, allow_nan=False))
            return
        if sample.image is not None:
            try:
                print_picture(sample.image)
            except UnreadableImageError as error:
                raise UserError(f"{output}/{sample.place} is damaged: image {error}") from None
        echo(as_text(sample))


def report(
    output: options.Corpus,
    manifest: Annotated[
        Optional[str],
        typer.Option(help="Where the manifest is now; source images are read from there."),
    ] = None,
) -> None:
    """Write report.html of the run in OUTPUT, complete or in progress: one page, no network."""
    with reported_errors():
        from pipeline.report.build import write_report
        from pipeline.storage.files import location

        path = write_report(location(output), _existing(manifest), warn)
    echo(f"{path}: written; open it in a browser")


def view(
    output: options.Corpus,
    flags: Annotated[
        Optional[str],
        typer.Option(help="File of the flags; flags.parquet in OUTPUT by default."),
    ] = None,
    manifest: Annotated[
        Optional[str],
        typer.Option(help="Where the manifest is now; source images are read from there."),
    ] = None,
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port of this machine; any free one by default.")
    ] = 0,
) -> None:
    """Browse OUTPUT in a local page: filter, sort, open and flag samples. Ctrl-C ends it."""
    with reported_errors():
        from pipeline.corpora.flags import FLAGS_FILE
        from pipeline.storage.files import location
        from pipeline.view.browser import Browser
        from pipeline.view.server import serve

        where = location(output)
        path = location(flags) if flags is not None else where / FLAGS_FILE
        browser = Browser(where, path, _existing(manifest))
        # Ctrl-C is how this command ends.
        with suppress(KeyboardInterrupt):
            serve(browser, port, lambda url: echo(f"{output}: open {url}\nCtrl-C ends this."))
        if path.exists():
            echo(
                next_command("refilter", output, "--flags", str(path), "--output", _free("picked"))
            )


def _free(name: str) -> str:
    """The name, or the first of name-2, name-3 and so on that is not taken in this folder."""
    import os
    from itertools import count

    if not os.path.lexists(name):
        return name
    return next(numbered for n in count(2) if not os.path.lexists(numbered := f"{name}-{n}"))


def _existing(manifest: str | None) -> str | None:
    """The address of `--manifest`.

    Raises:
        UserError: there is no such file on this machine.
    """
    import os

    from pipeline.errors import UserError
    from pipeline.storage.addresses import normalized

    if manifest is None:
        return None
    path = normalized(manifest)
    if "://" not in path and not os.path.exists(path):
        raise UserError(f"--manifest {manifest}: does not exist; check the path")
    return path
