"""`muse-batch example`: the examples that come with the package, to try the commands with."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli.console import echo, next_command, reported_errors

CONTENT = """{0}/prompts.txt            20 prompts, which the embedded model knows
{0}/images                 3 images, each with its caption beside it
{0}/demo.parquet           a manifest: 5 prompts and these images, for 8 emotions
{0}/parti_prompts.parquet  1,632 prompts, for Stable Diffusion
{0}/README.md              where they come from"""


def example(
    folder: Annotated[Path, typer.Argument(help="New folder to write to.")] = Path("example"),
) -> None:
    """Write example prompts, images and manifests to FOLDER."""
    with reported_errors():
        import shutil

        from manifests import EXAMPLES
        from pipeline.errors import UserError

        if folder.exists():
            raise UserError(f"{folder} exists; give a folder that does not exist yet")
        shutil.copytree(EXAMPLES, folder)
        _write_captions(folder)
    echo(CONTENT.format(folder))
    build = ("manifest", "build", f"{folder}/prompts.txt", "--emotions", "awe,fear")
    echo(next_command(*build, "-o", "m.parquet"))


def _write_captions(folder: Path) -> None:
    """The prompt of each image that the demo edits, in a file beside it."""
    import pyarrow.parquet as pq

    for row in pq.read_table(folder / "demo.parquet", columns=["prompt", "image"]).to_pylist():
        if row["image"] is not None:
            (folder / row["image"]).with_suffix(".txt").write_text(f"{row['prompt']}\n")
