"""How much of a device the engine uses: `python -m jobs.benchmark --model sd15` (or `sdxl`), on a CUDA device.

The method on random weights at full size: 50 steps, five readings in each of the first ten, 50 iterations in all, a
guide that is never convinced, so that every image costs the same. Arms:

- `reference`: muse/reference.py, one image at a time, the full decoder in every reading;
- `exact`: the engine with the full decoder in every reading, which makes the same images to rounding;
- `tiny decoder`: the engine with a decoder of the TAESD family in the readings, and the full one for the image.

`sweep` is made with a fifth of the steps, in the same proportions: what share of the measured matmul rate each number
of rows reaches. It goes up until memory or the device's rate is at its end. `full` is one batch of each arm with all
steps, at the best of those sizes. Operations are counted by torch's counter on single images of two lengths; they are
linear in the length. `flat` is the memory after each of many short batches. `parts` is where the seconds of a batch go.
"""

from __future__ import annotations

import dataclasses
import gc
import resource
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch

from jobs.benchmark.cost import gflop
from jobs.benchmark.random_models import Giants, build
from jobs.benchmark.speeds import matmul_rate, seconds, settle
from jobs.benchmark.stopwatch import Stopwatch
from muse.diffusion.backbones import Backbone
from muse.emotions import MIKELS, Target
from muse.engine import MuseEngine
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
"""Readings in a fifth of the steps, as in `METHOD`."""
PASSING = METHOD.replace(steps=4, max_updates_per_step=1)
"""An image that costs little, for memory alone."""

SECONDS = 420.0
"""That all measurements may take."""
SHARE = 3
"""No measurement that can be made smaller takes more than the time that is left over this."""
GAIN = 1.03
"""The sweep ends where twice the rows are not this much faster."""


@dataclasses.dataclass(frozen=True)
class Extent:
    """How far a measurement goes: rows of the sweep, images for the memory."""

    rows: tuple[int, ...] = (1, 2, 4, 8, 16, 32, 64, 128)
    images: int = 512


EXTENTS = {"tiny": Extent((1, 2), 8)}


class Bench:
    """A device, the models on it, and the time that is left."""

    def __init__(self, name: str, device: torch.device, dtype: torch.dtype):
        self.device, self.dtype = device, dtype
        self.began = time.monotonic()
        self.giants: Giants = build(name, device, dtype)
        self.extent = EXTENTS.get(name, Extent())
        self.rate = matmul_rate(device, dtype)
        self.arms: dict[str, Backbone] = {
            "tiny decoder": self.giants.backbone,
            "exact": self.giants.exact,
        }

    def engine(self, arm: str, method: Method) -> MuseEngine:
        return MuseEngine(self.arms[arm], self.giants.guide, self.giants.clip, method)

    def make(self, arm: str, method: Method, rows: int) -> None:
        """
        Raises:
            RuntimeError: an image failed, so that what was timed is less than what was asked.
        """
        for sample in self.engine(arm, method).run(requests(rows)):
            if sample.failure:
                raise RuntimeError(f"a request failed: {sample.failure}")

    def reference(self, method: Method) -> None:
        with torch.no_grad():
            parts = (self.giants.exact, self.giants.guide, self.giants.clip, method)
            self.giants.exact.codec.decode(reference(*parts, requests(1)[0]))

    def left(self) -> float:
        """Seconds."""
        return SECONDS - (time.monotonic() - self.began)

    def timed(self, work: Callable[[], Any], expected: float = 0.0) -> float | None:
        """Seconds; None without the memory for it, or without the time that it is expected to take."""
        if self.left() < expected:
            return None
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.device)
        try:
            return seconds(work, self.device)
        except torch.OutOfMemoryError:
            pass
        # Not within `except`: the error keeps the memory of its frames.
        gc.collect()
        torch.cuda.empty_cache()
        return None

    def peak(self) -> float:
        """GiB, at most so far; on a GPU since the last measurement began."""
        if self.device.type == "cuda":
            return torch.cuda.max_memory_allocated(self.device) / 2**30
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def requests(rows: int) -> list[Request]:
    labels = MIKELS.labels
    return [Request("a dog on a beach", Target.of(labels[i % len(labels)]), i) for i in range(rows)]


def tflop(bench: Bench, arm: str) -> dict[int, float]:
    """TFLOP of an image, by the steps of the method: two counted, the full length in a line with them."""
    short, shorter = (
        gflop(partial(bench.make, arm, method, 1)) / 1000 for method in (SHORT, SHORTER)
    )
    slope = (short - shorter) / (SHORT.steps - SHORTER.steps)
    return {SHORT.steps: short, METHOD.steps: short + slope * (METHOD.steps - SHORT.steps)}


def row_of(bench: Bench, arm: str, rows: int, taken: float, work: float) -> dict[str, Any]:
    """A line of the report: `taken` seconds for `rows` images of `work` TFLOP each."""
    reached = rows * work / taken
    return {
        "arm": arm,
        "rows": rows,
        "seconds_per_image": taken / rows,
        "images_per_hour": 3600 * rows / taken,
        "tflops": reached,
        "fraction_of_matmul": reached / bench.rate,
        "peak_gib": bench.peak(),
    }


def sweep(bench: Bench, arm: str, work: float) -> list[dict[str, Any]]:
    """The engine at ever more rows, until twice as many are not faster, do not fit, or the time is over."""
    found: list[dict[str, Any]] = []
    taken: float | None = 0.0
    for rows in bench.extent.rows:
        # A first pass pays for allocations and for the choice of kernels.
        warm = bench.timed(partial(bench.make, arm, PASSING, rows), 2 * (taken or 0.0))
        if warm is None or (taken := bench.timed(partial(bench.make, arm, SHORT, rows))) is None:
            break
        found.append(row_of(bench, arm, rows, taken, work))
        if len(found) > 1 and found[-1]["tflops"] < GAIN * found[-2]["tflops"]:
            break
    return found


def flat(bench: Bench, rows: int) -> dict[str, Any] | None:
    """Memory in GiB after each of many short batches; None without the time for it."""
    held: list[float] = []
    until = bench.left() * (1 - 1 / SHARE)
    while bench.left() > until and len(held) * rows < bench.extent.images:
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
    """Seconds of a short batch by part. Waiting for the device at each part makes the whole a little slower."""
    engine = bench.engine("tiny decoder", SHORT)
    watch = Stopwatch(lambda: settle(bench.device))
    with watch.engine(engine):
        engine.run(requests(rows))
    return dict(watch.seconds)


def measure(name: str, device: torch.device, dtype: torch.dtype) -> dict[str, Any]:
    """The report of one size of models; null where memory or time did not suffice."""
    bench = Bench(name, device, dtype)
    work = {arm: tflop(bench, arm) for arm in bench.arms}  # warms up, too
    bench.reference(SHORTER)
    alone = bench.timed(partial(bench.reference, METHOD))
    found: dict[str, Any] = {"sweep": [], "full": [], "flat": None, "parts": None}
    for arm in bench.arms:
        swept = sweep(bench, arm, work[arm][SHORT.steps])
        found["sweep"] += swept
        # All steps take as many times longer as there are more of them.
        longer = METHOD.steps / SHORT.steps
        fits = [
            row
            for row in swept
            if longer * row["rows"] * row["seconds_per_image"] < bench.left() / SHARE
        ]
        if not fits:
            continue
        rows = max(fits, key=lambda row: row["tflops"])["rows"]
        if (taken := bench.timed(partial(bench.make, arm, METHOD, rows))) is not None:
            found["full"].append(row_of(bench, arm, rows, taken, work[arm][METHOD.steps]))
        if arm == "tiny decoder":
            found |= {"flat": flat(bench, rows), "parts": parts_of(bench, rows)}
    full = {row["arm"]: row for row in found["full"]}
    ours = full.get("tiny decoder")
    return {
        "model": name,
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
        "dtype": str(dtype).removeprefix("torch."),
        "seconds": time.monotonic() - bench.began,
        "ratios": {
            "seconds_vs_reference": alone / ours["seconds_per_image"] if alone and ours else None,
            "gpu_fraction_of_matmul": ours["fraction_of_matmul"]
            if ours and device.type == "cuda"
            else None,
        },
        "matmul_tflops": bench.rate,
        "tflop_per_image": {arm: each[METHOD.steps] for arm, each in work.items()},
        "reference_seconds_per_image": alone,
        **found,
    }


def as_markdown(report: Mapping[str, Any]) -> str:
    lines = [
        f"{report['model']}, {report['dtype']}, on {report['device']}: {report['matmul_tflops']:.1f} TFLOP/s of a "
        f"matrix product; the reference loop takes {shown(report['reference_seconds_per_image'], 's')} for an image.",
        "",
        "| arm | steps | rows | images an hour | of the matmul rate | peak |",
        "|---|---|---|---|---|---|",
    ]
    for kind, steps in (("full", METHOD.steps), ("sweep", SHORT.steps)):
        for row in report[kind]:
            speed = f"{row['images_per_hour']:,.0f} | {row['fraction_of_matmul']:.1%} | {row['peak_gib']:.1f} GiB"
            lines.append(f"| {row['arm']} | {steps} | {row['rows']} | {speed} |")
    if held := report["flat"]:
        span = f"{held['after_first_gib']:.3f} GiB after the first batch, {held['after_last_gib']:.3f} after the last"
        lines += ["", f"Memory over {held['images']} images: {span}."]
    lines += [
        "",
        f"The reference loop over the engine: {shown(report['ratios']['seconds_vs_reference'], 'x')}.",
    ]
    return "\n".join(lines) + "\n"


def shown(value: float | None, unit: str) -> str:
    return "(not measured)" if value is None else f"{value:.1f} {unit}"


def draw(report: Mapping[str, Any], file: Path) -> None:
    """Utilisation against rows, and where the seconds of a batch go."""
    import matplotlib.pyplot as plt

    figure, panels = plt.subplots(1, 2, figsize=(11, 4.2), layout="constrained")
    for arm in dict.fromkeys(row["arm"] for row in report["sweep"]):
        rows = [row for row in report["sweep"] if row["arm"] == arm]
        shares = [row["fraction_of_matmul"] for row in rows]
        panels[0].plot([row["rows"] for row in rows], shares, marker="o", label=arm)
    panels[0].set(
        xlabel="rows", ylabel="share of the measured matmul rate", xscale="log", ylim=(0, None)
    )
    panels[0].legend(fontsize=8)
    bars(panels[1], report["parts"] or {}, "seconds of a short batch")
    figure.savefig(file, dpi=110)
    plt.close(figure)


def bars(panel: Any, parts: Mapping[str, float], label: str) -> None:
    """A bar a part, the longest on top."""
    ordered: Sequence[str] = sorted(parts, key=lambda name: parts[name])
    panel.barh(ordered, [parts[name] for name in ordered])
    panel.set(xlabel=label)
