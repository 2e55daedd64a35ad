"""The time, GPU-hours and cost of a run, each with its range."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pipeline.config import Config
from pipeline.forecast.rates import Measurement, corpus_of, measurement, trial_cores
from pipeline.storage.files import Location

FEW_BATCHES = 5
"""Below so many measured batches their spread says little, and the range is wide."""

WIDE, NARROW = 0.5, 0.1
"""Half of the range, as a share: with few batches; at least."""


@dataclass(frozen=True)
class Range:
    """A figure, and between which limits it is expected."""

    low: float
    middle: float
    high: float

    def times(self, factor: float) -> Range:
        return Range(self.low * factor, self.middle * factor, self.high * factor)


@dataclass(frozen=True)
class Forecast:
    """What a run is expected to take.

    Attributes:
        seconds: from its first worker to its last batch.
        gpu_hours: of all workers; 0 on a CPU.
        cost: of the GPU-hours; None without a price.
        workers: how many it was computed for.
        basis: where it comes from, in words.
        caveats: what makes it uncertain, a sentence each.
        assumes: under which circumstances it holds; empty where nothing is known of that.
    """

    seconds: Range
    gpu_hours: Range
    cost: Range | None
    workers: int
    basis: str
    caveats: Sequence[str]
    assumes: str = ""

    def as_json(self) -> dict[str, Any]:
        return {
            "seconds": vars(self.seconds),
            "gpu_hours": vars(self.gpu_hours),
            "cost": vars(self.cost) if self.cost else None,
            "workers": self.workers,
            "basis": self.basis,
            "caveats": list(self.caveats),
            "assumes": self.assumes,
        }


def forecast_for(measured: Location, config: Config, tasks: Mapping[str, int]) -> Forecast:
    """What a run is expected to take.

    Args:
        measured: a trial, or the output of an earlier run.
        config: of the run.
        tasks: its requests by task.

    Raises:
        UserError: nothing was measured there.
    """
    corpus = corpus_of(measured)
    found = measurement(corpus, config, tasks)
    # -1 stands for one GPU, where there is one.
    gpus = config.gpus_per_worker
    each = (1.0 if found.on_gpu else 0.0) if gpus < 0 else gpus
    workers, price = config.workers or 1, config.gpu_hour_price or None
    expected = forecast(found, sum(tasks.values()), config.batch_size, workers, each, price)
    if corpus == measured:
        return expected
    threads = 0 if found.on_gpu else workers * config.threads
    return replace(expected, assumes=_assumption(threads, trial_cores(measured)))


def _assumption(threads: int, cores: int) -> str:
    """Under which circumstances what a trial measured holds for a run.

    Args:
        threads: of all workers; 0 where they have GPUs.
        cores: of the machine of the trial; 0 where it is not known.
    """
    machine = "an otherwise idle machine like that of the trial"
    if not threads:
        return f"{machine}, and no more workers than GPUs"
    had = f" (the trial's had {cores})" if cores else ""
    return f"{machine}, and a core for each of the workers' threads, {threads}{had}"


def forecast(
    measured: Measurement,
    requests: int,
    batch_size: int,
    workers: int,
    gpus_per_worker: float,
    price: float | None,
) -> Forecast:
    """What `requests` take on `workers` that are each as fast as the measured one.

    Args:
        price: of a GPU for an hour; None if it is not known.
    """
    each = request_seconds(measured.seconds, -(-requests // batch_size))
    # The workers share the batches; none is busy for less than its batches.
    rounds = math.ceil(math.ceil(requests / batch_size) / workers)
    busy = each.times(min(rounds * batch_size, requests))
    start = measured.start_seconds
    seconds = Range(busy.low + start, busy.middle + start, busy.high + start)
    gpu_hours = seconds.times(workers * gpus_per_worker / 3600)
    cost = None if price is None or not gpus_per_worker else gpu_hours.times(price)
    basis = (
        f"{measured.requests} requests in {len(measured.seconds)} batch(es) of {measured.source}"
    )
    caveats = list(measured.caveats)
    if price is not None and not gpus_per_worker:
        caveats.append("no worker has a GPU, so the price of a GPU-hour (--price) has no effect")
    if len(measured.seconds) < FEW_BATCHES:
        caveats.append(f"fewer than {FEW_BATCHES} batches were measured: the range is a guess")
    return Forecast(seconds, gpu_hours, cost, workers, basis, tuple(caveats))


def request_seconds(batches: Sequence[float], planned: int) -> Range:
    """The seconds of a request: their mean over the measured batches, and its range.

    With few measured batches the range is the mean +- 50 %. Otherwise it is the 95 % prediction
    interval for the mean of `planned` further batches, m +- 2 s sqrt(1/n + 1/planned), and at least
    +- 10 %, because machines differ by so much.
    """
    mean = statistics.fmean(batches)
    half = WIDE * mean
    if len(batches) >= FEW_BATCHES:
        deviation = statistics.stdev(batches)
        half = 2 * deviation * math.sqrt(1 / len(batches) + 1 / max(1, planned))
        half = max(half, NARROW * mean)
    return Range(max(0.0, mean - half), mean, mean + half)


def duration(seconds: float) -> str:
    """As a person says it: `50 s`, `12 min`, `3.5 h`, `2.1 days`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    if seconds < 36 * 3600:
        return f"{seconds / 3600:.1f} h"
    return f"{seconds / 86400:.1f} days"
