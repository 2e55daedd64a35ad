"""`muse-batch run` timed from outside, and beside it the engine in a plain loop: `python -m jobs.benchmark.command_timing`.

Start-up, in seconds from the command to its first image, by what the run logs (pipeline/storage/log.py):

- `checks`: Python, imports, the manifest, the models' hashes, the lease; `imports` is a part of it, timed by itself;
- `ray`: until Ray is up; `worker`: until a worker has a process;
- `libraries`: torch, diffusers and transformers in the worker; `models`: the weights;
- `first_batch`: until its images are on disk. A batch is durable as a whole, so its first image comes with its last.

Steady state, from the end of the first batch to the end of the last, with one worker:

- `steady`: seconds of that time; `worker`: what the worker spent in it (the rest it waited for its next batch);
- `loop`: the same requests in the same batches with the same settings and threads, in this process and without Ray:
  `engine`, `scoring` (judge, guide and similarity on what came out), `records` (verdicts, encoding, image hashes) and
  `writing` (the batch's file). The first batch warms up, and is not counted.

`overhead` is `steady` over engine and scoring; `overhead_over_engine` is `steady` over the engine alone. `accepted`
counts the images of the run, and `same_images` is whether the loop made these and no others, byte for byte.
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
from manifests.read import check, content_hash
from pipeline.config import Config
from pipeline.generation.load import load_engine
from pipeline.generation.muse_engine import ScoringMuseEngine
from pipeline.generation.samples import BatchMaker
from pipeline.generation.verdicts import ACCEPTED
from pipeline.models.locate import locate
from pipeline.output.batches import write_batch
from pipeline.output.provenance import provenance
from pipeline.output.records import record_schema
from pipeline.output.run_file import describe
from pipeline.planning.manifest_input import batches_of, folder_of
from pipeline.settings import load_config
from pipeline.storage.log import entries

DEMO = Path(__file__).parents[2] / "manifests" / "examples" / "demo.parquet"
MUSE_BATCH = [sys.executable, "-m", "pipeline.cli"]


def quickest(command: Sequence[str], times: int = 3) -> float:
    """Seconds of the fastest of several runs of a command."""
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        taken.append(time.perf_counter() - began)
    return min(taken)


def startup(lines: Iterable[Mapping[str, Any]], began: float) -> dict[str, float]:
    """The split of a run's start, by its log; `began` is when the command was given. [s since 1970]"""
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


def pictures_in(output: Path) -> dict[str, str]:
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
    """A run of the demo's first `images` requests with one worker: its start-up, its steady state and its pictures.

    Raises:
        RuntimeError: the run did not end well, with what it said.
    """
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "out"
        options = ["--limit", str(images), "--batch-size", str(batch), "--workers", "1"]
        assigned = [part for setting in settings for part in ("--set", setting)]
        began = time.time()
        command = [*MUSE_BATCH, "run", str(DEMO), "--output", str(output), *options, *assigned]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"the run ended with {done.returncode}: {done.stderr}")
        lines, pictures = list(entries(output)), pictures_in(output)
        status_seconds = quickest([*MUSE_BATCH, "status", str(output)])
    reports = [line for line in lines if "batch" in line]
    return {
        "startup": startup(lines, began),
        "steady": reports[-1]["at"] - reports[0]["at"],
        "worker": sum(report["seconds"] for report in reports[1:]),
        "status_seconds": status_seconds,
        "pictures": pictures,
    }


def loop(config: Config) -> tuple[dict[str, float], dict[str, str]]:
    """The same work without a pipeline around it: seconds of each part, over all batches but the first; its pictures.

    These are the accepted ones, as in `pictures_in`.
    """
    manifest, models = (
        check(str(DEMO), config.taxonomy.labels, len(config.emotions)),
        locate(config),
    )
    shared = provenance(describe(manifest, content_hash(str(DEMO)), config, models), config)
    schema = record_schema(shared, manifest.extra)
    loaded = load_engine(models, config, on_gpu=torch.cuda.is_available())
    assert isinstance(loaded, ScoringMuseEngine)
    maker, watch = BatchMaker(loaded, {}, config, shared, folder_of(str(DEMO))), Stopwatch()
    pictures: dict[str, str] = {}
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
                    pictures[made.record["key"]] = hashlib.sha256(made.image).hexdigest()
    return dict(watch.seconds), pictures


def measure(settings: Sequence[str], images: int, batch: int) -> dict[str, Any]:
    """All that this module tells, of runs with these `--set` assignments. Takes about a minute for 24 images."""
    ran = run(settings, images, batch)
    threads = torch.get_num_threads()
    parts, pictures = loop(
        load_config(None, list(settings), {"limit": images, "batch_size": batch})
    )
    torch.set_num_threads(threads)
    beside = {name: parts.get(name, 0.0) for name in ("scoring", "records", "writing")}
    engine = sum(parts.values()) - sum(beside.values())
    return {
        "help_seconds": quickest([*MUSE_BATCH, "--help"]),
        "status_seconds": ran["status_seconds"],
        "first_image_seconds": sum(ran["startup"].values()),
        "startup": {
            "imports": quickest([sys.executable, "-c", "import pipeline.run"]),
            **ran["startup"],
        },
        "steady": ran["steady"],
        "worker": ran["worker"],
        "loop": {"engine": engine, **beside},
        "parts": parts,
        "overhead": ran["steady"] / (engine + beside["scoring"]) - 1,
        "overhead_over_engine": ran["steady"] / engine - 1,
        "accepted": len(ran["pictures"]),
        "same_images": ran["pictures"] == pictures,
    }


def main(images: int = 24, batch: int = 4) -> None:
    print(json.dumps(measure([], images, batch), indent=2))


if __name__ == "__main__":
    typer.run(main)
