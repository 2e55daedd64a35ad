"""Utilisation of a CUDA device: `python -m jobs.benchmark --model sd15`, `sdxl`, `sd35`, `flux`.

The method on random weights at full size: 50 steps, five updates in each of the first ten, and a
guide that is never confident, so that every image costs the same. Arms:

- `reference`: `muse.reference`, one image at a time, the full decoder for the guide;
- `exact`: the engine with the full decoder for the guide, which makes the same images to rounding;
- `tiny decoder`: the engine with a decoder of the TAESD family for the guide.

`sweep` takes a fifth of the steps in the same proportions and measures the share of the matmul rate
by the number of rows, up to the limit of memory or speed. `full` is one batch of each arm with all
steps, at the best number of rows. Operations are counted by torch on single images of two lengths;
they are linear in the length. `flat` is the memory after each of many short batches. `parts` are
the seconds of a batch by part.
"""

from __future__ import annotations

import dataclasses
import gc
import resource
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import torch

from jobs.benchmark.cost import gflop
from jobs.benchmark.full_size.random_models import RandomModels, build
from jobs.benchmark.speeds import matmul_rate, seconds, synchronize
from jobs.benchmark.stopwatch import Stopwatch
from muse.diffusion.backbones import Backbone
from muse.emotions import MIKELS, Target
from muse.engine.engine import MuseEngine
from muse.method import Method
from muse.reference import muse as reference
from muse.request import Request

METHOD = Method(
    steps=50,
    max_updates_per_step=5,
    guidance_end=0.2,
    timing="fixed",
    timing_level=0.0,
    stop_confidence=1.0,
)
SHORT = METHOD.replace(steps=10)
SHORTER = METHOD.replace(steps=5)
"""Updates in a fifth of the steps, as in `METHOD`."""
PASSING = METHOD.replace(steps=4, max_updates_per_step=1)
"""A cheap image, to measure memory."""

BUDGET_S = 320.0
"""Seconds for all measurements; with imports and the report it is under six minutes."""
GOALS = {"seconds_vs_reference": 10.0, "gpu_fraction_of_matmul": 0.35}
"""What the ratios should be at least on an H200, in bfloat16."""
MAX_GROWTH = 1.01
"""What the memory after the last batch should be at most, over that after the first."""
SHARE = 3
"""A measurement that can be shortened takes at most the remaining time divided by this."""
MIN_GAIN = 1.03
"""The sweep ends where twice the rows are not this much faster."""


@dataclasses.dataclass(frozen=True)
class Extent:
    """Rows of the sweep, and images for the memory."""

    rows: tuple[int, ...] = (1, 2, 4, 8, 16, 32, 64, 128)
    images: int = 512


EXTENTS = {"tiny": Extent((1, 2), 8)}


class Bench:
    """A device, the models on it and the remaining time."""

    def __init__(self, name: str, device: torch.device, dtype: torch.dtype):
        self.device, self.dtype = device, dtype
        self.began = time.monotonic()
        self.models: RandomModels = build(name, device, dtype)
        self.extent = EXTENTS.get(name, Extent())
        self.rate = matmul_rate(device, dtype)
        self.arms: dict[str, Backbone] = {
            "tiny decoder": self.models.backbone,
            "exact": self.models.exact,
        }

    def engine(self, arm: str, method: Method) -> MuseEngine:
        return MuseEngine(self.arms[arm], self.models.guide, self.models.clip, method)

    def make(self, arm: str, method: Method, rows: int) -> None:
        """
        Raises:
            RuntimeError: an image failed, so that the time is not that of all images.
        """
        for sample in self.engine(arm, method).run(requests(rows)):
            if sample.failure:
                raise RuntimeError(f"a request failed: {sample.failure}")

    def reference(self, method: Method) -> None:
        with torch.no_grad():
            parts = (self.models.exact, self.models.guide, self.models.clip, method)
            self.models.exact.codec.decode(reference(*parts, requests(1)[0]))

    def remaining(self) -> float:
        """Seconds."""
        return BUDGET_S - (time.monotonic() - self.began)

    def timed(self, work: Callable[[], Any], expected: float = 0.0) -> float | None:
        """Seconds of a call; None if memory is too small, or less time remains than `expected`."""
        if self.remaining() < expected:
            return None
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.device)
        try:
            return seconds(work, self.device)
        except torch.OutOfMemoryError:
            pass
        # Outside `except`: the error keeps the memory of its frames.
        gc.collect()
        torch.cuda.empty_cache()
        return None

    def peak(self) -> float:
        """Peak memory in GiB; on a GPU since the last measurement began."""
        if self.device.type == "cuda":
            return torch.cuda.max_memory_allocated(self.device) / 2**30
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def requests(rows: int) -> list[Request]:
    labels = MIKELS.labels
    return [Request("a dog on a beach", Target.of(labels[i % len(labels)]), i) for i in range(rows)]


def tflop(bench: Bench, arm: str) -> dict[int, float]:
    """TFLOP of an image by number of steps; that of all steps is extrapolated from two counts."""
    counts = [gflop(partial(bench.make, arm, method, 1)) for method in (SHORT, SHORTER)]
    short, shorter = (count / 1000 for count in counts)
    slope = (short - shorter) / (SHORT.steps - SHORTER.steps)
    return {SHORT.steps: short, METHOD.steps: short + slope * (METHOD.steps - SHORT.steps)}


def line_of(
    bench: Bench, arm: str, steps: int, rows: int, taken: float, work: float
) -> dict[str, Any]:
    """A line of the report: `taken` seconds for `rows` images of `work` TFLOP each."""
    tflops = rows * work / taken
    return {
        "arm": arm,
        "steps": steps,
        "rows": rows,
        "seconds_per_image": taken / rows,
        "images_per_hour": 3600 * rows / taken,
        "tflops": tflops,
        "fraction_of_matmul": tflops / bench.rate,
        "peak_gib": bench.peak(),
    }


def sweep(bench: Bench, arm: str, work: float) -> list[dict[str, Any]]:
    """The engine with doubling rows, until they are not faster, do not fit, or time is over."""
    lines: list[dict[str, Any]] = []
    taken: float | None = 0.0
    for rows in bench.extent.rows:
        # A first pass pays for allocations and for the choice of kernels.
        warm = bench.timed(partial(bench.make, arm, PASSING, rows), 2 * (taken or 0.0))
        if warm is None or (taken := bench.timed(partial(bench.make, arm, SHORT, rows))) is None:
            break
        lines.append(line_of(bench, arm, SHORT.steps, rows, taken, work))
        if len(lines) > 1 and lines[-1]["tflops"] < MIN_GAIN * lines[-2]["tflops"]:
            break
    return lines


def flat(bench: Bench, rows: int) -> dict[str, Any] | None:
    """Memory in GiB after each of many short batches; None without the time for it."""
    held: list[float] = []
    end = bench.remaining() * (1 - 1 / SHARE)
    while bench.remaining() > end and len(held) * rows < bench.extent.images:
        if bench.timed(partial(bench.make, "tiny decoder", PASSING, rows)) is None:
            break
        on_gpu = bench.device.type == "cuda"
        held.append(torch.cuda.memory_allocated(bench.device) / 2**30 if on_gpu else bench.peak())
    if len(held) < 2:
        return None
    return {
        "images": rows * len(held),
        "after_first_gib": held[0],
        "after_last_gib": held[-1],
        "most_gib": max(held),
    }


def parts_of(bench: Bench, rows: int) -> dict[str, float]:
    """Seconds of a short batch by part. Synchronising at each part makes it a little slower."""
    engine = bench.engine("tiny decoder", SHORT)
    watch = Stopwatch(lambda: synchronize(bench.device))
    with watch.engine(engine):
        engine.run(requests(rows))
    return dict(watch.seconds)


def best_rows(bench: Bench, lines: Sequence[Mapping[str, Any]]) -> int | None:
    """The number of rows at the highest rate whose batch with all steps fits the remaining time."""
    longer = METHOD.steps / SHORT.steps
    limit = bench.remaining() / SHARE
    fits = [row for row in lines if longer * row["rows"] * row["seconds_per_image"] < limit]
    return max(fits, key=lambda row: row["tflops"])["rows"] if fits else None


def measure(name: str, device: torch.device, dtype: torch.dtype) -> dict[str, Any]:
    """The report of one size of models; None where memory or time was too short."""
    bench = Bench(name, device, dtype)
    work = {arm: tflop(bench, arm) for arm in bench.arms}  # also warms up
    bench.reference(SHORTER)
    alone = bench.timed(partial(bench.reference, METHOD))
    found: dict[str, Any] = {"sweep": [], "full": [], "flat": None, "parts": None}
    for arm in bench.arms:
        lines = sweep(bench, arm, work[arm][SHORT.steps])
        found["sweep"] += lines
        rows = best_rows(bench, lines)
        if rows is None:
            continue
        if (taken := bench.timed(partial(bench.make, arm, METHOD, rows))) is not None:
            tflop_per_image = work[arm][METHOD.steps]
            line = line_of(bench, arm, METHOD.steps, rows, taken, tflop_per_image)
            found["full"].append(line)
        if arm == "tiny decoder":
            found |= {"flat": flat(bench, rows), "parts": parts_of(bench, rows)}
    return {
        "model": name,
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
        "dtype": str(dtype).removeprefix("torch."),
        "seconds": time.monotonic() - bench.began,
        "ratios": ratios(found["full"], alone, device),
        "matmul_tflops": bench.rate,
        "tflop_per_image": {arm: by_steps[METHOD.steps] for arm, by_steps in work.items()},
        "reference_seconds_per_image": alone,
        **found,
    }


def ratios(
    full: Sequence[Mapping[str, Any]], reference: float | None, device: torch.device
) -> dict[str, float | None]:
    """The ratios of the arm `tiny decoder`; None where something was not measured."""
    engine = next((line for line in full if line["arm"] == "tiny decoder"), None)
    if engine is None:
        return {"seconds_vs_reference": None, "gpu_fraction_of_matmul": None}
    on_gpu = device.type == "cuda"
    return {
        "seconds_vs_reference": reference / engine["seconds_per_image"] if reference else None,
        "gpu_fraction_of_matmul": engine["fraction_of_matmul"] if on_gpu else None,
    }
