"""`muse-batch tokens fit`: emotional tokens for a diffusion model, once for all its images."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli import options
from pipeline.cli.console import echo, next_command, reported_errors, warn_once


@options.takes_settings(*options.OF_MODELS)
def fit(
    manifest: options.Manifest,
    output: Annotated[
        str, typer.Option("--output", "-o", help="File to write, ending in .safetensors.")
    ],
    count: Annotated[
        int, typer.Option(min=1, help="Images of each emotion, from its first rows.")
    ] = 16,
    *,
    given: options.Given,
) -> None:
    """Fit emotional tokens to the model on a few prompts of MANIFEST, so that a run starts from
    them instead of the emotions' words."""
    with reported_errors():
        from pipeline.cli.tables import print_rows
        from pipeline.errors import UserError
        from pipeline.storage.addresses import normalized
        from pipeline.storage.remote import is_url
        from pipeline.tokens.fit import fit_tokens
        from pipeline.watch.row_progress import RowProgress

        settings = given.load()
        if is_url(output):
            raise UserError(f"--output {output}: tokens are written on this machine; give a file")
        file = Path(output).expanduser()
        with (
            RowProgress("checking the manifest") as rows,
            RowProgress("fitting tokens", of="images", every=1) as images,
        ):
            result = fit_tokens(
                normalized(manifest), file, settings, count, warn_once(), rows, images
            )
        rows_of = []
        for name, made in result.images.items():
            share = f"{result.alone[name]:.0%}" if name in result.alone else ""
            rows_of.append((name, f"{made}", f"{result.used[name]}", share))
        print_rows("Fitted", ("emotion", "images", "used", "accepted alone"), rows_of)
        words = given.replaced({"fitted_tokens": file}).words(*options.OF_MODELS)
        echo(f"Written to {file}\n{next_command('run', manifest, '-o', 'out', *words)}")
