"""Fit the emotional tokens of the embedded model: `python -m jobs.world.tokens`.

Their prompts are those on which the evaluation chooses settings (`jobs.evaluation.suites`): no
figure is reported of them.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated

import pyarrow.parquet as pq
import typer

from jobs.evaluation.cases import TUNING_CONTENTS, draw_cases
from jobs.evaluation.suites import TUNING_SEED
from manifests.rows import table_of
from muse.emotions import MIKELS
from muse.guidance.fitted_tokens_file import FITTED_TOKENS
from muse.mini import WEIGHTS
from pipeline.config import Config
from pipeline.tokens.fit import fit_tokens


def main(
    count: Annotated[int, typer.Option(help="Images of each emotion.")] = 32,
    output: Annotated[Path, typer.Option(help="The file.")] = WEIGHTS / "diffusion" / FITTED_TOKENS,
) -> None:
    """Make `count` images of each emotion from its word, and write the mean of their tokens."""
    rows = []
    for case in draw_cases(2 * count * len(MIKELS), TUNING_SEED, False, TUNING_CONTENTS):
        rows.append({"prompt": case.prompt, "emotion": case.emotion, "seed": case.seed})
    with tempfile.TemporaryDirectory() as folder:
        manifest, fitted = Path(folder, "manifest.parquet"), Path(folder, FITTED_TOKENS)
        pq.write_table(table_of(rows), manifest)
        result = fit_tokens(str(manifest), fitted, Config(), count, typer.echo)
        output.write_bytes(fitted.read_bytes())
    for emotion, images in result.images.items():
        share = result.alone.get(emotion, 0.0)
        typer.echo(f"{emotion}: {result.used[emotion]} of {images} images used; alone {share:.0%}")


if __name__ == "__main__":
    typer.run(main)
