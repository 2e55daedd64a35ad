"""`muse-batch run` against a plain loop of the engine: `python -m jobs.benchmark.command_timing`.

Start-up, in seconds from the command to its first image, by the log of the run
(`pipeline.storage.log`):

- `checks`: Python, imports, the manifest, the hashes of models, the lease; `imports` is a part of
  it, timed by itself;
- `ray`: until Ray has started; `worker`: until a worker has a process;
- `libraries`: torch, diffusers and transformers in the worker; `models`: the weights;
- `first_batch`: until its images are on disk. A batch is written as a whole.

Steady state, from the end of the first batch to the end of the last, with one worker:

- `steady`: its seconds; `worker`: of these, the worker's (the rest it waited for the next batch);
- `loop`: the same requests in the same batches with the same settings and threads, in this process
  and without Ray: `engine`, `scoring` (judge, guide and similarity of the images), `records`
  (verdicts, encoding, image hashes) and `writing` (the batch file). The first batch warms up and is
  not counted.

`overhead` is `steady` over engine and scoring, `overhead_over_engine` is `steady` over the engine
alone. Both compare two processes, so they vary with the machine by some percent.
`overhead_of_parts` does not: it is what the worker waited, `records` and `writing`, over engine and
scoring. `accepted` counts the images of the run, and `same_images` says whether the loop made the
same images, byte for byte.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import typer

from jobs.benchmark.stopwatch import Stopwatch
from manifests.read import check
from pipeline.config import Config
from pipeline.generation.engines.load import load_engine
from pipeline.generation.engines.muse_engine import ScoringMuseEngine
from pipeline.generation.samples import BatchMaker
from pipeline.generation.verdicts import ACCEPTED
from pipeline.models.locate import locate
from pipeline.output.batches import write_batch
from pipeline.output.records import record_schema
from pipeline.output.rows import layout_of
from pipeline.planning.manifest_input import batches_of, folder_of
from pipeline.settings import load_config
from pipeline.storage.log import entries

DEMO = Path(__file__).parents[2] / "manifests" / "examples" / "demo.parquet"
MUSE_BATCH = [sys.executable, "-m", "pipeline"]


def quickest(command: Sequence[str], times: int = 3) -> float:
    """Seconds of the fastest of several runs of a command."""
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        taken.append(time.perf_counter() - began)
    return min(taken)


def startup(lines: Iterable[Mapping[str, Any]], began: float) -> dict[str, float]:
    """Seconds of each part of a run's start, by its log.

    Args:
        began: the time of the command, in seconds since 1970.
    """
    lines = list(lines)
    start, placed, ready = (
        next(line for line in lines if line.get("event") == event)
        for event in ("start", "placed", "ready")
    )
    first = next(line for line in lines if "batch" in line)
    return {
        "checks": start["checked"] - began,
        "ray": start["connected"] - start["checked"],
        "worker": placed["at"] - start["connected"],
        "libraries": ready["imports"],
        "models": ready["at"] - placed["at"] - ready["imports"],
        "first_batch": first["at"] - ready["at"],
    }


def images_in(output: Path) -> dict[str, str]:
    """SHA-256 of each image in a corpus's shards, by its key."""
    found = {}
    for shard in sorted((output / "shards").glob("*.tar")):
        with tarfile.open(shard) as archive:
            for member in archive:
                if member.name.endswith(".png"):
                    data = archive.extractfile(member).read()  # type: ignore[union-attr]
                    found[member.name.removesuffix(".png")] = hashlib.sha256(data).hexdigest()
    return found


def run(settings: Sequence[str], images: int, batch: int) -> dict[str, Any]:
    """A run of the demo's first `images` requests with one worker.

    Raises:
        RuntimeError: the run failed, with its messages.
    """
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "out"
        options = ["--limit", str(images), "--batch-size", str(batch), "--workers", "1"]
        assigned = [part for setting in settings for part in ("--set", setting)]
        began = time.time()
        command = [*MUSE_BATCH, "run", str(DEMO), "--output", str(output), *options, *assigned]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"the run exited with code {done.returncode}: {done.stderr}")
        lines, hashes = list(entries(output)), images_in(output)
        status_seconds = quickest([*MUSE_BATCH, "status", str(output)])
    reports = [line for line in lines if "batch" in line]
    return {
        "startup": startup(lines, began),
        "steady": reports[-1]["at"] - reports[0]["at"],
        "worker": sum(report["seconds"] for report in reports[1:]),
        "status_seconds": status_seconds,
        "images": hashes,
    }


def loop(config: Config) -> tuple[dict[str, float], dict[str, str]]:
    """The same work without a pipeline.

    Returns:
        Seconds of each part, over all batches but the first; and the images, as `images_in`.
    """
    manifest = check(str(DEMO), config.taxonomy.labels, len(config.emotions))
    models = locate(config)
    schema = record_schema(config.taxonomy.labels, config.filters, manifest.extra)
    layout = layout_of(schema)
    loaded = load_engine(models, config, on_gpu=torch.cuda.is_available())
    assert isinstance(loaded, ScoringMuseEngine)
    maker, watch = BatchMaker(loaded, {}, config, layout, folder_of(str(DEMO))), Stopwatch()
    hashes: dict[str, str] = {}
    with (
        tempfile.TemporaryDirectory() as folder,
        watch.watch(ScoringMuseEngine, "draw", "scoring"),
        watch.engine(loaded.engine),
    ):
        for batch in batches_of(manifest, config):
            if batch.number == 1:
                watch.seconds.clear()
            with watch.part("records"):
                results = maker.make(batch)
            with watch.part("writing"):
                write_batch(Path(folder), batch.number, results, schema)
            for made in results:
                if made.record["status"] == ACCEPTED and made.image is not None:
                    hashes[made.record["key"]] = hashlib.sha256(made.image).hexdigest()
    return dict(watch.seconds), hashes


def measure(settings: Sequence[str], images: int, batch: int) -> dict[str, Any]:
    """All figures of this module, with these `--set` settings. Takes a minute for 24 images."""
    command = run(settings, images, batch)
    threads = torch.get_num_threads()
    config = load_config(None, list(settings), {"limit": images, "batch_size": batch})
    parts, hashes = loop(config)
    torch.set_num_threads(threads)
    others = {name: parts.get(name, 0.0) for name in ("scoring", "records", "writing")}
    engine = sum(parts.values()) - sum(others.values())
    waited = command["steady"] - command["worker"]
    return {
        "help_seconds": quickest([*MUSE_BATCH, "--help"]),
        "status_seconds": command["status_seconds"],
        "first_image_seconds": sum(command["startup"].values()),
        "startup": {
            "imports": quickest([sys.executable, "-c", "import pipeline.execute"]),
            **command["startup"],
        },
        "steady": command["steady"],
        "worker": command["worker"],
        "loop": {"engine": engine, **others},
        "parts": parts,
        "overhead": command["steady"] / (engine + others["scoring"]) - 1,
        "overhead_over_engine": command["steady"] / engine - 1,
        "overhead_of_parts": (waited + others["records"] + others["writing"])
        / (engine + others["scoring"]),
        "accepted": len(command["images"]),
        "same_images": command["images"] == hashes,
    }


def main(images: int = 24, batch: int = 4) -> None:
    """Time a run of the demo and the same work in a plain loop."""
    print(json.dumps(measure([], images, batch), indent=2))


if __name__ == "__main__":
    typer.run(main)
