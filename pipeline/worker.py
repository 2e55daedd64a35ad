"""The Ray actor: holds the models, turns a batch into durable results, reports in a few words."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import ray

from pipeline.batches import Report, report, write_batch
from pipeline.config import Config
from pipeline.errors import RunStopped
from pipeline.models import Model, load
from pipeline.plan import Batch
from pipeline.remote import public
from pipeline.samples import Maker, Result, failed
from pipeline.storage import Place


@dataclass(frozen=True)
class Job:
    """What every worker of a run is told: paths and settings, never weights."""

    output: Place
    config: Config
    models: Mapping[str, Model]
    shared: Mapping[str, Any]
    schema: pa.Schema
    base: str


def make_robustly(maker: Maker, batch: Batch) -> list[Result]:
    """Make a batch; if it throws, make its requests one by one, so that only the guilty fail."""
    try:
        return maker.make(batch)
    except RunStopped:  # an object store that nobody can read: no request's fault
        raise
    except Exception as error:
        if len(batch.requests) == 1:
            reason = public(f"{type(error).__name__}: {error}")
            return [failed(batch.requests[0], batch.number, maker.shared, reason)]
        return [result for r in batch.requests for result in make_robustly(maker, Batch(batch.number, (r,)))]


@ray.remote(max_restarts=0, max_task_retries=0)
class Worker:
    """One process with the models loaded; one batch at a time."""

    def __init__(self, job: Job):
        import torch

        torch.set_num_threads(job.config.threads)
        device = "cuda" if torch.cuda.is_available() and ray.get_gpu_ids() else "cpu"
        self.job = job
        self.maker = Maker(load(job.models, job.config, device), job.config, job.shared, job.base)

    def ready(self) -> None:
        """Returns once the models are loaded."""

    def run(self, batch: Batch) -> Report:
        """Make the batch; its results are on disk before this returns."""
        began = time.monotonic()
        results = make_robustly(self.maker, batch)
        write_batch(self.job.output, batch.number, results, self.job.schema)
        return report(batch.number, results, time.monotonic() - began)
