"""What a large run costs its driver: the plan, the time per request through Ray, the resume, the wait for many workers.

Each command makes what it needs in a folder, measures in its own process, and prints a line of JSON. CPU seconds are
the driver's alone; they bear a busy machine better than seconds on the wall, which are given beside them.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any
from unittest.mock import patch

import typer

app = typer.Typer(add_completion=False, no_args_is_help=True, help=__doc__)

Folder = Annotated[Path, typer.Option(help="Where to make what is measured; it is not removed.")]
MIB = 1 << 20
LOOK_SECONDS = 0.05


@contextmanager
def measured(told: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Adds the seconds, the driver's CPU seconds, and its resident memory (start, middle, most) to `told`."""
    import psutil

    process, seen, end = psutil.Process(), [], threading.Event()

    def look() -> None:
        while True:
            seen.append(process.memory_info().rss)
            if end.wait(LOOK_SECONDS):
                return

    watcher = threading.Thread(target=look, daemon=True)
    watcher.start()
    began, cpu = time.perf_counter(), time.process_time()
    yield told
    told |= {
        "seconds": round(time.perf_counter() - began, 2),
        "cpu_seconds": round(time.process_time() - cpu, 2),
    }
    end.set()
    watcher.join()
    told |= {
        "mib_at_start": seen[0] // MIB,
        "mib_midway": seen[len(seen) // 2] // MIB,
        "mib_most": max(seen) // MIB,
    }


def write_manifest(path: Path, rows: int, named: bool) -> Path:
    """A manifest of `rows` rows: each with an id and an emotion of its own, or with a prompt alone."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    path.parent.mkdir(parents=True, exist_ok=True)
    columns = ["prompt", "id", "emotion"] if named else ["prompt"]
    schema = pa.schema([(name, pa.string()) for name in columns])
    with pq.ParquetWriter(path, schema) as writer:
        for start in range(0, rows, 1 << 16):
            numbers = range(start, min(rows, start + (1 << 16)))
            values = {
                "prompt": [f"a dog on the beach, number {n}" for n in numbers],
                "id": [f"row-{n}" for n in numbers],
                "emotion": ["awe"] * len(numbers),
            }
            writer.write_table(pa.table({name: values[name] for name in columns}, schema))
    return path


@app.command()
def plan(
    requests: int = 10_000_000, named: bool = False, folder: Folder = Path("build/scale")
) -> None:
    """Check a manifest and count its plan. --named: a row with an id per request; else eight requests a row."""
    from pipeline.config import Config
    from pipeline.planning.dry_run import dry_run

    rows = requests if named else requests // 8
    manifest = write_manifest(folder / f"plan-{rows}-{named}.parquet", rows, named)
    with measured({"command": "plan", "named": named}) as told:
        told["requests"] = dry_run(str(manifest), Config(), None)["requests"]
    print(json.dumps(told))


@app.command()
def run(
    requests: int = 100_000,
    batch_size: int = 64,
    shard_size: int = 1000,
    workers: int = 2,
    folder: Folder = Path("build/scale"),
) -> None:
    """A whole run of the null engine through Ray: the driver's time per request while workers are at it."""
    from pipeline import run as running
    from pipeline.config import Config

    config = Config(engine="null", batch_size=batch_size, shard_size=shard_size, workers=workers)
    manifest = write_manifest(folder / f"run-{requests}.parquet", requests // 8, False)
    output = folder / f"run-{requests}-{os.getpid()}"
    told: dict[str, Any] = {
        "command": "run",
        "requests": requests,
        "batch_size": batch_size,
        "shard_size": shard_size,
    }
    work: dict[str, Any] = {"part": "workers at it"}
    compute = running.compute

    def watched(*arguments: Any) -> Any:
        with measured(work):
            return compute(*arguments)

    with patch.object(running, "compute", watched), measured(told):
        told["accepted"] = running.execute(str(manifest), output, config, print).counts["accepted"]
    print(
        json.dumps({**work, "cpu_ms_per_request": round(work["cpu_seconds"] / requests * 1000, 3)})
    )
    print(json.dumps(told))


@app.command()
def resume(
    shards: int = 10_000,
    shard_size: int = 10,
    requests: int = 10_000_000,
    folder: Folder = Path("build/scale"),
) -> None:
    """From `shards` published shards of a plan of `requests` to the first batch that is handed out; without Ray."""
    from pipeline import run as running
    from pipeline.config import Config
    from pipeline.errors import RunStopped
    from pipeline.output.markers import read_markers

    config = Config(engine="null", batch_size=shard_size, shard_size=shard_size, min_confidence=0.0)
    manifest = write_manifest(folder / f"plan-{requests // 8}-False.parquet", requests // 8, False)
    output = folder / f"resume-{shards}-{shard_size}"

    def publishing(manifest: Any, job: Any, publisher: Any, *_: Any) -> None:
        publish(manifest, job, publisher, shards)

    def resuming(manifest: Any, job: Any, publisher: Any, *_: Any) -> None:
        raise RunStopped(first_batch(manifest, job.config, publisher))

    with (
        patch.object(running, "compute", publishing),
        measured({"command": "publish", "shards": shards}) as made,
    ):
        try_to(running.execute, str(manifest), output, config, print)
    print(json.dumps(made))
    told: dict[str, Any] = {
        "command": "resume",
        "shards": len(read_markers(output)),
        "requests": requests,
    }
    with patch.object(running, "compute", resuming), measured(told):
        told["first"] = try_to(running.execute, str(manifest), output, config, print)
    print(json.dumps(told))


def try_to(execute: Any, *arguments: Any) -> str:
    """What a run says that is stopped on purpose."""
    from pipeline.errors import RunStopped

    try:
        execute(*arguments)
    except RunStopped as error:
        return str(error)
    raise AssertionError("the run was to stop")


def publish(manifest: Any, job: Any, publisher: Any, shards: int) -> None:
    """Make batches here, without Ray, until so many shards are there; then stop as a killed driver would."""
    from pipeline.errors import RunStopped
    from pipeline.generation.samples import Maker
    from pipeline.models.locate import load
    from pipeline.output import batches
    from pipeline.scheduling import driver as compute

    maker = Maker(load(job.models, job.config, False), {}, job.config, job.shared, job.base)
    for batch in compute.batches_of(manifest, job.config, publisher.next.batch):
        if publisher.shard >= shards:
            break
        batches.write_batch(job.output, batch.number, maker.make(batch), job.schema)
        publisher.advance()
    raise RunStopped("so many shards are there")


def first_batch(manifest: Any, config: Any, publisher: Any) -> str:
    """What `compute` does before it hands out the first batch, and that batch."""
    from pipeline.scheduling import driver as compute

    finished = compute.sound_batches(publisher.output, publisher.start.batch)
    todo = compute.batches_of(manifest, config, publisher.start.batch)
    return str(next(batch.number for batch in todo if batch.number not in finished))


@app.command()
def pack(images: int = 512, kib: int = 400, folder: Folder = Path("build/scale")) -> None:
    """What it costs the driver to read finished batches of images of a size, and to pack them into a shard."""
    from dataclasses import replace

    from pipeline import run as running
    from pipeline.config import Config
    from pipeline.generation.samples import Maker, provenance
    from pipeline.models import locate as models
    from pipeline.output import batches
    from pipeline.output.records import record_schema
    from pipeline.output.run_file import describe
    from pipeline.output.shards import publisher_of
    from pipeline.scheduling import driver as compute

    config = Config(
        engine="null", batch_size=16, min_confidence=0.0, limit=images, shard_size=images
    )
    manifest = running.check(
        str(write_manifest(folder / "pack.parquet", images, False)), config.emotions, 8
    )
    output = folder / f"pack-{os.getpid()}"
    shared = provenance(describe(manifest, "", config, models.locate(config)), config)
    maker = Maker(models.load({}, config, False), {}, config, shared, "")
    schema = record_schema(shared, manifest.extra)
    for batch in compute.batches_of(manifest, config):
        results = [replace(result, image=os.urandom(kib * 1024)) for result in maker.make(batch)]
        batches.write_batch(output, batch.number, results, schema)
    publisher = publisher_of(output, config, schema)
    with measured({"command": "pack", "images": images, "kib": kib}) as told:
        publisher.advance()
        publisher.finish()
    told["cpu_ms_per_image"] = round(told["cpu_seconds"] / images * 1000, 3)
    print(json.dumps(told))


@app.command()
def wait(workers: int = 1000, times: int = 200) -> None:
    """What `ray.wait` over so many workers, of which one has news, costs the driver."""
    import ray

    ray.init(
        "local", num_cpus=1, include_dashboard=False, log_to_driver=False, logging_level="ERROR"
    )

    @ray.remote(num_cpus=0, resources={"none such": 1})
    def never() -> None: ...

    pending = [never.remote() for _ in range(workers)]
    with measured({"command": "wait", "workers": workers}) as told:
        for number in range(times):
            finished, _ = ray.wait([ray.put(number), *pending], num_returns=1)
            assert len(finished) == 1
    told["cpu_ms_per_wait"] = round(told["cpu_seconds"] / times * 1000, 3)
    print(json.dumps(told))
    ray.shutdown()


if __name__ == "__main__":
    app()
