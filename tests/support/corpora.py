"""Corpora of the null engine for tests, and what is in them."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NoReturn

import pyarrow.parquet as pq

from pipeline.output.run.run_file import RunFile
from pipeline.planning.fingerprint import fingerprint

ROWS = [{"prompt": f"a dog {n}", "emotion": "awe", "rating": n} for n in range(30)]


def rows_of(output: Path) -> list[dict[str, Any]]:
    """The metadata of a corpus."""
    return pq.read_table(output / "metadata.parquet").to_pylist()


def contents_of(output: Path) -> dict[str, bytes]:
    """What must not differ between runs: the shards and the metadata."""
    files = [*(output / "shards").iterdir(), output / "metadata.parquet"]
    return {path.name: path.read_bytes() for path in files}


def fail_on_warning(text: str) -> NoReturn:
    raise AssertionError(text)


RUN_CONFIG = {
    "seed": 0,
    "image_format": "png",
    "taxonomy": {"name": "two", "labels": ["awe", "fear"]},
    "min_confidence": 0.5,
    "keep_rejected": False,
    **dict.fromkeys(("batch_size", "shard_size"), 1),
    **dict.fromkeys(("limit", "quota"), 0),
    **{table: {} for table in ("filters", "images", "method")},
    "emotions": [],
}
"""Settings as the smallest `run.json` has them."""

PARTS = {
    "manifest": {"sha256": "m"},
    "config": {"seed": 0, "guide": "here"},
    "models": {"guide": {"name": "here", "sha256": "g"}},
    "versions": {"python": "3.11.0"},
}


def small_run(**parts) -> RunFile:
    """A run of three requests, which differs from others in these parts."""
    parts = {**PARTS, **parts}
    return RunFile(
        fingerprint=fingerprint(parts),
        parts=parts,
        config=RUN_CONFIG,
        same_judge=False,
        manifest="m.parquet",
        rows=3,
        requests=3,
    )
