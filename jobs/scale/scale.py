"""What a large run costs its driver: the plan, each request through Ray, packing, and resuming.

Each command makes what it needs in a folder, measures in its own process, and prints lines of JSON.
CPU seconds are the driver's alone. They depend less on what else the machine does than seconds of
wall time, which are printed beside them.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import signal
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any
from unittest.mock import patch

import typer

from jobs.scale.measure import MIB, measured

app = typer.Typer(add_completion=False, no_args_is_help=True, help=__doc__)

Folder = Annotated[Path, typer.Option(help="Where to make what is measured; it is not removed.")]

VARIANTS = 10_000
"""Prompts that differ: to count the tokens of a new word takes longest of what is checked."""


def write_manifest(path: Path, rows: int, named: bool) -> Path:
    """A manifest of `rows` rows with a prompt each; `named`: also with an id and an emotion.

    One that is there is taken as it is.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    if path.exists():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    columns = ["prompt", "id", "emotion"] if named else ["prompt"]
    schema = pa.schema([(name, pa.string()) for name in columns])
    with pq.ParquetWriter(path, schema) as writer:
        for start in range(0, rows, 1 << 16):
            numbers = range(start, min(rows, start + (1 << 16)))
            values = {
                "prompt": [f"a dog on the beach, number {n % VARIANTS}" for n in numbers],
                "id": [f"row-{n}" for n in numbers],
                "emotion": ["awe"] * len(numbers),
            }
            writer.write_table(pa.table({name: values[name] for name in columns}, schema))
    return path


@app.command()
def plan(
    requests: int = 10_000_000, named: bool = False, folder: Folder = Path("build/scale")
) -> None:
    """Check a manifest and count its plan. --named: a row with an id for each request."""
    from pipeline.config import Config
    from pipeline.planning.dry_run import dry_run

    rows = requests if named else requests // 8
    manifest = write_manifest(folder / f"plan-{rows}-{named}.parquet", rows, named)
    with measured({"command": "plan", "named": named}) as figures:
        figures["requests"] = dry_run(str(manifest), Config(), None).requests
    print(json.dumps(figures))


@app.command()
def run(
    requests: int = 100_000,
    batch_size: int = 64,
    shard_size: int = 1000,
    workers: int = 2,
    min_confidence: float = 0.5,
    near_duplicates: int = -1,
    until: int = 0,
    output: Annotated[str, typer.Option(help="To resume: the folder of an earlier run.")] = "",
    folder: Folder = Path("build/scale"),
) -> None:
    """A run of the null engine through Ray, and the driver's CPU time for each request.

    With --min-confidence 0.99, next to nothing is accepted: what the driver keeps of rejected
    requests then shows in its memory. --until N prints the figures once N requests are made, and
    then ends this process by SIGKILL, with which Ray's processes end, too.
    """
    from pipeline import execute as running
    from pipeline.config import Config
    from pipeline.scheduling.driver import Driver

    config = Config(
        engine="null",
        batch_size=batch_size,
        shard_size=shard_size,
        workers=workers,
        min_confidence=min_confidence,
        near_duplicates=near_duplicates,
    )
    manifest = write_manifest(folder / f"plan-{requests // 8}-False.parquet", requests // 8, False)
    place = Path(output) if output else folder / f"run-{requests}-{os.getpid()}"
    whole: dict[str, Any] = {"command": "run", "requests": requests, "output": str(place)}
    whole |= {"batch_size": batch_size, "shard_size": shard_size}
    working: dict[str, Any] = {"part": "workers at work"}
    make_shards, on_report = running.make_shards, Driver._on_report
    made = Counter[str]()
    in_shards, in_all = contextlib.ExitStack(), contextlib.ExitStack()

    def measured_shards(*arguments: Any) -> Any:
        with in_shards:
            in_shards.enter_context(measured(working))
            return make_shards(*arguments)

    def counted(driver: Any, report: Any) -> None:
        made.update(report.statuses)
        on_report(driver, report)
        if until and made.total() >= until:
            in_shards.close()
            in_all.close()
            print_figures()
            os.kill(os.getpid(), signal.SIGKILL)

    def print_figures() -> None:
        working["made"] = made.total()
        working["cpu_ms_per_request"] = round(working["cpu_seconds"] / made.total() * 1000, 3)
        print(json.dumps(working))
        print(json.dumps(whole), flush=True)

    with (
        patch.object(running, "make_shards", measured_shards),
        patch.object(Driver, "_on_report", counted),
        in_all,
    ):
        in_all.enter_context(measured(whole))
        whole["accepted"] = running.execute(str(manifest), place, config, print).counts["accepted"]
    print_figures()


@app.command()
def resume(
    shards: int = 10_000,
    shard_size: int = 10,
    requests: int = 10_000_000,
    pending: int = 500,
    kib: int = 400,
    folder: Folder = Path("build/scale"),
) -> None:
    """Publish `shards` shards of a plan of `requests`, then resume up to the first task; no Ray.

    Besides, `pending` batches come after the one that comes next, as those of a killed run do;
    their images are of `kib` KiB each.
    """
    from pipeline.config import Config
    from pipeline.output.batches import list_batches
    from pipeline.output.markers import read_markers

    config = Config(engine="null", batch_size=shard_size, shard_size=shard_size, min_confidence=0.0)
    manifest = write_manifest(folder / f"plan-{requests // 8}-False.parquet", requests // 8, False)
    output = folder / f"resume-{shards}-{shard_size}"
    # A batch fills a shard. That is committed once the first sample beyond it is there.
    with measured({"command": "publish", "shards": shards}) as figures:
        run_until(manifest, output, config, shards + 1)
    print(json.dumps(figures))
    first = shards + 2
    write_batches(manifest, output, config, range(first, first + pending), kib)
    with measured({"command": "resume", "shards": len(read_markers(output))}, output) as figures:
        figures["first"] = run_until(manifest, output, config, 0)
    waiting = sum(file.size for file in list_batches(output))
    print(json.dumps(figures | {"requests": requests, "mib_in_batches": waiting // MIB}))


def run_until(manifest: Path, output: Path, config: Any, batch: int) -> int:
    """Run in this process, and stop at the first task of this batch or a later one; its batch."""
    from pipeline.errors import RunStopped
    from pipeline.execute import execute
    from pipeline.scheduling.executors.local_executor import LocalExecutor

    reached = []

    def stop(task: Any) -> None:
        if task.batch.number >= batch:
            reached.append(task.batch.number)
            raise RunStopped("as planned")

    with contextlib.suppress(RunStopped):
        execute(str(manifest), output, config, print, executor=LocalExecutor(before_task=stop))
    return reached[0]


def write_batches(path: Path, output: Path, config: Any, numbers: range, kib: int) -> None:
    """Write these batches of a plan as workers do, with random bytes for images."""
    from manifests.read import check
    from pipeline.generation.engines.load import load_engine
    from pipeline.generation.samples import BatchMaker
    from pipeline.output.batches import write_batch
    from pipeline.output.records import record_schema
    from pipeline.output.rows import layout_of
    from pipeline.planning.manifest_input import batches_of

    manifest = check(str(path), config.emotions, len(config.emotions))
    schema = record_schema(config.taxonomy.labels, config.filters, manifest.extra)
    maker = BatchMaker(load_engine({}, config, False), {}, config, layout_of(schema), "")
    for batch in itertools.islice(batches_of(manifest, config, numbers.start), len(numbers)):
        results = [replace(result, image=os.urandom(kib * 1024)) for result in maker.make(batch)]
        write_batch(output, batch.number, results, schema)


@app.command()
def pack(
    images: int = 512,
    kib: int = 400,
    shard_size: int = 128,
    folder: Folder = Path("build/scale"),
) -> None:
    """What images of a size cost the driver, and the worker that packs them into shards."""
    from manifests.read import check
    from pipeline.config import Config
    from pipeline.execute import make_job
    from pipeline.models.locate import locate
    from pipeline.output.packing import Packer
    from pipeline.output.run.run_file import describe, write_run
    from pipeline.scheduling.driver import Driver

    config = Config(
        engine="null", min_confidence=0.0, batch_size=16, shard_size=shard_size, limit=images
    )
    path = write_manifest(folder / "pack.parquet", images, False)
    manifest = check(str(path), config.emotions, 8)
    output = folder / f"pack-{os.getpid()}"
    run = describe(manifest, "", config, locate(config))
    write_run(output, run)
    job = make_job(output, config, {}, run, manifest, "")
    write_batches(path, output, config, range(-(-images // config.batch_size)), kib)

    packing, pack_one = [0.0], Packer.pack

    def timed(*arguments: Any) -> Any:
        began = time.process_time()
        packed = pack_one(*arguments)
        packing[0] += time.process_time() - began
        return packed

    # With all batches on disk, the driver packs them by itself: its own share is the rest.
    with (
        patch.object(Packer, "pack", timed),
        measured({"command": "pack", "images": images, "kib": kib}) as figures,
    ):
        Driver(manifest, job, None, None, Counter()).run()  # type: ignore[arg-type]
    own = figures["cpu_seconds"] - packing[0]
    figures["driver_cpu_ms_per_image"] = round(own / images * 1000, 3)
    figures["packing_cpu_ms_per_image"] = round(packing[0] / images * 1000, 3)
    print(json.dumps(figures))


@app.command()
def near_duplicates(
    samples: int = 1_000_000, distance: int = 4, checks: int = 1000, seed: int = 0
) -> None:
    """What a check for near-duplicates costs among so many accepted samples."""
    import random

    from pipeline.output.near_duplicates import NearDuplicates

    rng = random.Random(seed)
    with measured({"command": "near-duplicates", "part": "index"}) as figures:
        earlier = ((f"{n:012d}", f"{rng.getrandbits(64):016x}") for n in range(samples))
        found = NearDuplicates(distance, earlier)
    print(json.dumps(figures | {"samples": samples}))
    with measured({"command": "near-duplicates", "part": "checks"}) as figures:
        for _ in range(checks):
            found.reason(f"{rng.getrandbits(64):016x}")
    figures["cpu_ms_per_check"] = round(figures["cpu_seconds"] / checks * 1000, 3)
    print(json.dumps(figures))


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
    with measured({"command": "wait", "workers": workers}) as figures:
        for number in range(times):
            finished, _ = ray.wait([ray.put(number), *pending], num_returns=1)
            assert len(finished) == 1
    figures["cpu_ms_per_wait"] = round(figures["cpu_seconds"] / times * 1000, 3)
    print(json.dumps(figures))
    ray.shutdown()
