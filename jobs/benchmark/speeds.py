"""The embedded model's images and their seconds: one by one, in lockstep, in slots; and what the machine can do."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from jobs.benchmark.acceptance_cost import SURE
from jobs.benchmark.cost import Costs, count
from jobs.benchmark.lockstep import lockstep
from jobs.evaluation.arms import ARMS, Models, finished, pixels_of, plain, request, verdicts
from jobs.evaluation.cases import Case
from jobs.evaluation.metrics import ROLES, Examiners
from muse.engine import MuseEngine
from muse.method import Method
from muse.reference import muse as reference
from muse.request import Sample


def settle(device: torch.device) -> None:
    """Wait until the device has done all that it was told."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def seconds(work: Callable[[], Any], device: torch.device | None = None) -> float:
    device = device or torch.device("cpu")
    settle(device)
    began = time.perf_counter()
    work()
    settle(device)
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
    """The engine on the same cases with one slot, two, four, ... all: `slots`, `seconds_per_image`, and
    `fraction_of_matmul`, its operations a second over `rate` (TFLOP/s)."""
    asked, found = [request(case, plain(case)) for case in cases], list[dict[str, float]]()
    parts = (models.backbone, models.guide, models.clip, method)
    MuseEngine(*parts).run(asked[:1])  # the first run pays for allocations
    for slots in sorted({*(2**n for n in range(len(asked).bit_length())), len(asked)}):
        began = time.perf_counter()
        samples = MuseEngine(*parts, slots).run(asked)
        taken = time.perf_counter() - began
        share = sum(costs.each(samples, method)) * costs.forward / taken / (1000 * rate)
        found.append(
            {"slots": slots, "seconds_per_image": taken / len(asked), "fraction_of_matmul": share}
        )
    return found


def paces(models: Models, method: Method, cases: Sequence[Case]) -> dict[str, float]:
    """Seconds for each image, a quarter of the cases at a time.

    `refilled` (a finished request leaves its slot to the next), `batches` (the same engine batch after batch) and
    `lockstep` (batch after batch by the plain loop of jobs/lockstep).
    """
    images, asked = len(cases), [request(case, plain(case)) for case in cases]
    slots = max(2, images // 4)
    parts = (models.backbone, models.guide, models.clip, method)

    def engine(requests: Sequence[Any], slots: int = 0) -> None:
        MuseEngine(*parts, slots).run(requests)

    def in_batches(make: Callable[[Sequence[Any]], Any]) -> None:
        for start in range(0, images, slots):
            make(asked[start : start + slots])

    @torch.no_grad()
    def in_step(requests: Sequence[Any]) -> None:
        models.backbone.codec.decode(lockstep(*parts, requests))

    engine(asked[:1])  # the first run pays for allocations
    return {
        "lockstep": seconds(lambda: in_batches(in_step)) / images,
        "batches": seconds(lambda: in_batches(engine)) / images,
        "refilled": seconds(lambda: engine(asked, slots)) / images,
    }


@torch.no_grad()
def one_by_one(models: Models, method: Method, cases: Sequence[Case]) -> list[Sample]:
    """The reference loop, which keeps no trace."""
    parts = (models.backbone, models.guide, models.clip, method)
    return [
        sample
        for case in cases
        for sample in finished(models, reference(*parts, request(case, plain(case))), nfe=0)
    ]


def timed_arms(
    models: Models,
    exact: Models,
    examiners: Examiners,
    method: Method,
    cases: Sequence[Case],
    slow: int,
) -> dict[str, dict[str, Any]]:
    """What a user may do, each way timed and its images judged: words and the engine on all cases, and on the first
    `slow` ones the reference loop, the engine (`engine_same`), and the engine with `exact` models (`exact_same`).

    Keys: `requests`, `seconds_per_image`; `accepted`, the judge's share; `seconds_per_accepted`, null where there is
    none, and `accepted_images_per_hour`; shares and means as in `jobs.evaluation.metrics`; `forwards` as there, and for
    those on the same requests `feature_distance` to the reference's images.

    Args:
        exact: the models, the guide reading through the VAE itself.
    """
    few = cases[:slow]
    ways = {
        "prompted": (ARMS["prompted"], models, cases),
        "engine": (ARMS["muse"], models, cases),
        "reference": (one_by_one, exact, few),
        "exact_same": (ARMS["muse"], exact, few),
        "engine_same": (ARMS["muse"], models, few),
    }
    found: dict[str, dict[str, Any]] = {}
    pictures: dict[str, Tensor] = {}
    for name, (make, those, some) in ways.items():
        began = time.perf_counter()
        samples = make(those, method, some)
        taken = time.perf_counter() - began
        pictures[name] = pixels = pixels_of(samples)
        accepted = int((verdicts(models, some, pixels) >= SURE).sum())
        values = examiners.measure(pixels, some)
        found[name] = {
            "requests": len(some),
            "seconds_per_image": taken / len(some),
            "accepted": accepted / len(some),
            "seconds_per_accepted": taken / accepted if accepted else None,
            "accepted_images_per_hour": 3600 * accepted / taken,
            **{
                key: float(values[key].mean())
                for key in (*(f"success_{role}" for role in ROLES), "clip_t")
            },
        }
        if name != "reference":
            found[name]["forwards"] = sum(count(those).each(samples, method)) / len(some)
    for name in ("exact_same", "engine_same"):
        apart = examiners.feature_distance(pictures[name], pictures["reference"])
        found[name]["feature_distance"] = float(apart.mean())
    return found
