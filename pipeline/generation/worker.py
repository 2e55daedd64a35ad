"""What a worker does: load the models, make a batch, write its results, report it."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import pyarrow as pa

from muse.diffusion.compiling import Workload
from pipeline.config import Config
from pipeline.errors import RunStopped
from pipeline.generation.device_memory import FittingRequests, free_memory, half, out_of_memory
from pipeline.generation.engines.load import import_libraries, load_engine
from pipeline.generation.engines.muse_engine import ScoringMuseEngine
from pipeline.generation.results import Result
from pipeline.generation.samples import BatchMaker
from pipeline.generation.scores import load_scores
from pipeline.generation.verdicts import cells_of
from pipeline.models.locate import Model
from pipeline.models.node import refuse_other_models
from pipeline.output.batches import Report, report_of, write_batch
from pipeline.output.packing import Packed, PackTask
from pipeline.output.rows import layout_of
from pipeline.output.shards import packer_for
from pipeline.planning.plan import Batch, PlannedRequest
from pipeline.planning.software import refuse_other_versions, versions
from pipeline.scheduling.bisection import KILLED, Task
from pipeline.storage import files as storage
from pipeline.storage.addresses import public
from pipeline.storage.lease import machine


@dataclass(frozen=True)
class Job:
    """What every worker of a run gets: paths and settings, never weights.

    Attributes:
        models: by role.
        schema: of the records.
        base: the folder that relative paths of source images refer to.
        versions: of the driver's software.
        machine: the driver's (see `pipeline.storage.lease`).
        work: of the whole run.
    """

    output: storage.Location
    config: Config
    models: Mapping[str, Model]
    schema: pa.Schema
    base: str
    versions: Mapping[str, str] = field(default_factory=versions)
    machine: str = field(default_factory=machine)
    work: Workload = field(default_factory=Workload)


@dataclass(frozen=True)
class Placement:
    """Where a worker runs: the id of its node, and its process."""

    node: str
    pid: int


@dataclass(frozen=True)
class Ready:
    """A worker that has its models.

    Attributes:
        imports, models: seconds that the libraries and the models themselves took to load.
        device: name of the GPU that the models are on, or `cpu`.
        memory: the level of `muse.diffusion.memory` that was chosen; empty for the null engine.
        dtype: of the diffusion model's weights, likewise.
        fitting: requests of the run's size that fit into the GPU's memory at a time; 0 on a CPU,
            where that is not tried.
        compiling: whether the diffusion model's network is compiled, and why
            (`muse.diffusion.compiling`); empty for the null engine.
    """

    pid: int
    imports: float
    models: float
    device: str = "cpu"
    memory: str = ""
    dtype: str = ""
    fitting: int = 0
    compiling: str = ""


def _device(on_gpu: bool) -> str:
    """The device of models that were just loaded."""
    torch = sys.modules.get("torch")
    if not on_gpu or torch is None or not torch.cuda.is_available():
        return "cpu"
    name: str = torch.cuda.get_device_name()
    return name


def make_robustly(
    maker: BatchMaker, batch: Batch, piece: int = 0, fitting: int = 0
) -> tuple[list[Result], int]:
    """Make a batch, in pieces of at most `piece` requests (0: at once), in its order.

    Out of memory, it is made again in pieces of half the size. Which size fits depends only on the
    batch and the device, never on what the worker made before, so every worker splits it the same
    way. If a piece raises anything else, its requests are made one by one, so that only those fail
    that raise by themselves.

    Args:
        fitting: how many requests fit at a time (see `FittingRequests`); 0 if that is not known.
            Larger pieces are not tried: the batch is split as the lack of memory would split it.

    Returns:
        The results, and the size of the pieces; 0 if the batch was made at once.
    """
    total = len(batch.requests)
    size = min(piece or total, total)
    while fitting and size > fitting:
        size = half(size)
    # Not within an `except` clause: an exception that is being handled keeps its frames' memory.
    while (results := _in_pieces(maker, batch, size)) is None:
        free_memory()
        size = half(size)
    return results, size if size < total else 0


def _in_pieces(maker: BatchMaker, batch: Batch, size: int) -> list[Result] | None:
    """The results of a batch, made `size` requests at a time; None if memory is too short."""
    results: list[Result] = []
    for start in range(0, len(batch.requests), size):
        part = Batch(batch.number, batch.requests[start : start + size])
        try:
            results += maker.make(part)
            continue
        except RunStopped:  # an object store does not answer: no request is at fault
            raise
        except Exception as error:
            if size > 1 and out_of_memory(error):
                return None
        results += [_alone(maker, batch.number, request) for request in part.requests]
    return results


def _alone(maker: BatchMaker, number: int, request: PlannedRequest) -> Result:
    try:
        return maker.make(Batch(number, (request,)))[0]
    except RunStopped:
        raise
    except Exception as error:
        # Shards hold the reason, so it must not contain sizes or addresses, which vary.
        reason = (
            "out of memory, even when made alone"
            if out_of_memory(error)
            else public(f"{type(error).__name__}: {error}")
        )
        return maker.failed(request, number, reason)


def make_task(
    maker: BatchMaker, task: Task, fitting: FittingRequests | None = None
) -> tuple[list[Result], int]:
    """The results of a task in the order of its batch, and the pieces (see `make_robustly`)."""
    wanted = set(task.keys)
    live = tuple(request for request in task.batch.requests if request.key in wanted)
    made: list[Result] = []
    piece = 0
    if live:
        count = fitting.of(live) if fitting else 0
        made, piece = make_robustly(maker, replace(task.batch, requests=live), task.piece, count)
    results = {result.record["key"]: result for result in made}
    for request in task.batch.requests:
        if request.key in task.poison:
            results[request.key] = maker.failed(request, task.batch.number, KILLED)
    return [
        results[request.key] for request in task.batch.requests if request.key in results
    ], piece


class BatchWorker:
    """What a worker can do; one task at a time. Packing needs no models."""

    def __init__(self, job: Job):
        self.job = job
        self.fitting: FittingRequests | None = None

    def load_models(self, on_gpu: bool) -> Ready:
        """
        Args:
            on_gpu: whether the models go to a GPU, if there is one.

        Raises:
            UserError: the software or a model on this node is not the driver's.
        """
        refuse_other_versions(self.job.versions)
        if machine() != self.job.machine:
            # The driver has hashed those on its own machine.
            refuse_other_models(self.job.models)
        config, began = self.job.config, time.monotonic()
        import_libraries(config)
        imported = time.monotonic()
        engine = load_engine(self.job.models, config, on_gpu, self.job.work)
        scores = load_scores(config, self.job.models, on_gpu)
        layout = layout_of(self.job.schema)
        self.maker = BatchMaker(engine, scores, config, layout, self.job.base)
        ready = Ready(os.getpid(), imported - began, time.monotonic() - imported, _device(on_gpu))
        if ready.device != "cpu":
            self.fitting = FittingRequests(engine, config.batch_size)
            ready = replace(ready, fitting=self.fitting.of_size(config.size or engine.sizes.own))
        if not isinstance(engine, ScoringMuseEngine):
            return ready
        memory, dtype, compiling = engine.memory, engine.dtype, engine.compiling
        return replace(ready, memory=memory, dtype=dtype, compiling=compiling)

    def run(self, task: Task | PackTask) -> Report | Packed | None:
        """Do a task, whose results are durable when this returns; None for a probe."""
        if isinstance(task, PackTask):
            return packer_for(self.job.output, self.job.config, self.job.schema).pack(task)
        began, job = time.monotonic(), self.job
        results, piece = make_task(self.maker, task, self.fitting)
        if task.probe:
            return None
        file = write_batch(job.output, task.batch.number, results, job.schema)
        rows = [result.record for result in results]
        report = report_of(file, rows, cells_of(job.config, layout_of(job.schema)))
        return replace(report, piece=piece, seconds=time.monotonic() - began)
