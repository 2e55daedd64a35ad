"""Arguments and options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Optional

import typer

Manifest = Annotated[
    str,
    typer.Argument(
        help="Parquet file (path or URL) with a prompt column; or a .txt with a prompt a line, a "
        ".csv, .tsv or .jsonl, or a folder of images with captions."
    ),
]
Corpus = Annotated[str, typer.Argument(help="Folder of a run (path or URL of an object store).")]
NewCorpus = Annotated[
    str, typer.Option("--output", "-o", help="Folder of the new corpus (path or URL).")
]
ConfigFile = Annotated[
    Optional[Path], typer.Option("--config", help="TOML file with any of the settings.")
]
Set = Annotated[
    Optional[list[str]],
    typer.Option("--set", help="One setting, as in method.steps=30. May be repeated."),
]
Engine = Annotated[Optional[str], typer.Option(help="muse, or null: images without a model.")]
Model = Annotated[
    Optional[str], typer.Option(help="Stable Diffusion: a diffusers folder, file or hub id.")
]
Guide = Annotated[
    Optional[str], typer.Option(help="Classifier (folder or hub id) whose gradient guides.")
]
Judge = Annotated[
    Optional[str], typer.Option(help="Classifier (folder or hub id) that accepts samples.")
]
Workers = Annotated[
    Optional[int], typer.Option(help="Worker processes; one per GPU or core by default.")
]
GpusPerWorker = Annotated[
    Optional[float], typer.Option(help="GPUs of a worker, also a fraction; 0 for the CPU.")
]
Emotions = Annotated[
    Optional[str],
    typer.Option(help="Of rows that name none: awe,fear or all; all of them by default."),
]
AllowColumns = Annotated[
    bool,
    typer.Option("--allow-columns", help="Accept columns whose names resemble one of ours."),
]
MinConfidence = Annotated[
    Optional[float], typer.Option(help="The judge's confidence to accept a sample, in [0, 1].")
]
Limit = Annotated[Optional[int], typer.Option(help="Only this many first requests.")]
Seed = Annotated[Optional[int], typer.Option(help="Seed of the run.")]
BatchSize = Annotated[Optional[int], typer.Option(help="Requests in a batch.")]
ShardSize = Annotated[Optional[int], typer.Option(help="Accepted samples in a shard.")]


def flags(emotions: str | None, **others: Any) -> dict[str, Any]:
    """Flags as `pipeline.settings.load_config` takes them."""
    names = [part for part in (emotions or "").split(",") if part.strip()]
    return {**others, "emotions": names or None}
