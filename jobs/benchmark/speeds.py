"""Seconds of the embedded model in several loops, and the peak rate of the machine."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from jobs.benchmark.acceptance_cost import MIN_CONFIDENCE
from jobs.benchmark.cost import Costs, count
from jobs.benchmark.lockstep import lockstep
from jobs.evaluation.arms.models import (
    Make,
    Models,
    finished,
    from_words,
    pixels_of,
    plain,
    request,
    verdicts,
)
from jobs.evaluation.arms.registry import WHOLE, arm_of
from jobs.evaluation.cases import Case
from jobs.evaluation.measures.metrics import ROLES, Examiners
from muse.engine.engine import MuseEngine
from muse.method import Method
from muse.reference import muse as reference
from muse.request import Sample, Trace


def synchronize(device: torch.device) -> None:
    """Wait until the device has finished its work."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def seconds(work: Callable[[], Any], device: torch.device | None = None) -> float:
    """Seconds of a call, with all the work that it starts on the device."""
    device = device or torch.device("cpu")
    synchronize(device)
    began = time.perf_counter()
    work()
    synchronize(device)
    return time.perf_counter() - began


def matmul_rate(device: torch.device, dtype: torch.dtype) -> float:
    """TFLOP/s of a large matrix product, the best of three."""
    side = 8192 if device.type == "cuda" else 2048
    a, b = (torch.randn(side, side, device=device, dtype=dtype) for _ in range(2))

    def work() -> None:
        for _ in range(4):
            a @ b

    work()
    return 4 * 2 * side**3 / min(seconds(work, device) for _ in range(3)) / 1e12


def by_slots(
    models: Models, costs: Costs, method: Method, cases: Sequence[Case], rate: float
) -> list[dict[str, float]]:
    """The engine on the same cases, from words, with one slot, two, four, ... all.

    Returns:
        For each: `slots`, `seconds_per_image`, and `fraction_of_matmul`, its operations a second
        over `rate` (TFLOP/s).
    """
    requests, lines = [request(case, plain(case)) for case in cases], list[dict[str, float]]()
    parts = (models.backbone, models.guide, models.clip, method)
    count = len(requests)
    with from_words(models):
        MuseEngine(*parts).run(requests[:1])  # the first run pays for allocations
    for slots in sorted({*(2**n for n in range(count.bit_length())), count}):
        began = time.perf_counter()
        with from_words(models):
            samples = MuseEngine(*parts, slots).run(requests)
        taken = time.perf_counter() - began
        gflops = sum(costs.of_all(samples, method)) * costs.forward / taken
        share = gflops / (1000 * rate)
        line = {"slots": slots, "seconds_per_image": taken / count, "fraction_of_matmul": share}
        lines.append(line)
    return lines


def paces(models: Models, method: Method, cases: Sequence[Case]) -> dict[str, float]:
    """Seconds an image from words, with a quarter of the cases at a time.

    `refilled` (a finished request leaves its slot to the next one), `batches` (the same engine
    batch after batch) and `lockstep` (batch after batch by the plain loop).
    """
    images, requests = len(cases), [request(case, plain(case)) for case in cases]
    slots = max(2, images // 4)
    parts = (models.backbone, models.guide, models.clip, method)

    def by_engine(batch: Sequence[Any], slots: int = 0) -> None:
        with from_words(models):
            MuseEngine(*parts, slots).run(batch)

    def in_batches(make: Callable[[Sequence[Any]], Any]) -> None:
        for start in range(0, images, slots):
            make(requests[start : start + slots])

    @torch.no_grad()
    def by_lockstep(batch: Sequence[Any]) -> None:
        with from_words(models):
            models.backbone.codec.decode(lockstep(*parts, batch))

    by_engine(requests[:1])  # the first run pays for allocations
    return {
        "lockstep": seconds(lambda: in_batches(by_lockstep)) / images,
        "batches": seconds(lambda: in_batches(by_engine)) / images,
        "refilled": seconds(lambda: by_engine(requests, slots)) / images,
    }


@torch.no_grad()
def one_by_one(models: Models, method: Method, cases: Sequence[Case]) -> list[Sample]:
    """Samples of the reference loop, from words as in the paper, without traces."""
    parts = (models.backbone, models.guide, models.clip, method)
    samples = []
    with from_words(models):
        for case in cases:
            latents = reference(*parts, request(case, plain(case)))
            samples += finished(models, latents, [Trace()])
    return samples


def timed_arms(
    models: Models,
    exact: Models,
    examiners: Examiners,
    method: Method,
    cases: Sequence[Case],
    slow: int,
) -> dict[str, dict[str, Any]]:
    """Arms that are timed, with figures of their images.

    The emotion in the prompt and the engine on all cases; on the first `slow` ones also the
    reference loop, the engine (`engine_same`), and the engine as the reference loop: from words,
    with `exact` models (`exact_same`).

    Returns:
        By arm: `requests`, `seconds_per_image`; `accepted`, the share by the judge;
        `seconds_per_accepted`, None where there is none, and `accepted_images_per_hour`; metrics as
        in `jobs.evaluation.measures.metrics`; `cost` (`jobs.benchmark.cost`), and where the
        requests are the same, `feature_distance` to the images of the reference loop.

    Args:
        exact: the models without a tiny decoder for the guide.
    """
    few = cases[:slow]
    arms: dict[str, tuple[Make, Models, Sequence[Case]]] = {
        "words": (arm_of("words"), models, cases),
        "engine": (arm_of("muse"), models, cases),
        "reference": (one_by_one, exact, few),
        "exact_same": (arm_of(WHOLE), exact, few),
        "engine_same": (arm_of("muse"), models, few),
    }
    found: dict[str, dict[str, Any]] = {}
    images: dict[str, Tensor] = {}
    for name, (arm, own_models, own_cases) in arms.items():
        began, total = time.perf_counter(), len(own_cases)
        samples = arm(own_models, method, own_cases)
        taken = time.perf_counter() - began
        images[name] = pixels = pixels_of(samples)
        accepted = int((verdicts(models, own_cases, pixels) >= MIN_CONFIDENCE).sum())
        found[name] = {
            "requests": total,
            "seconds_per_image": taken / total,
            "accepted": accepted / total,
            "seconds_per_accepted": taken / accepted if accepted else None,
            "accepted_images_per_hour": 3600 * accepted / taken,
        }
        values = examiners.measure(pixels, own_cases)
        for key in (*(f"success_{role}" for role in ROLES), "clip_t"):
            found[name][key] = float(values[key].mean())
        # The reference loop keeps no trace to count by.
        if name != "reference":
            found[name]["cost"] = sum(count(own_models).of_all(samples, method)) / total
    for name in ("exact_same", "engine_same"):
        distances = examiners.feature_distance(images[name], images["reference"])
        found[name]["feature_distance"] = float(distances.mean())
    return found
