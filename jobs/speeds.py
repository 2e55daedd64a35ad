"""Seconds for each image of the embedded model: one by one, in lockstep, in slots; and what the machine can do."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import torch

from jobs.arms import Models, plain, request
from jobs.cases import draw_cases
from jobs.lockstep import lockstep
from muse.engine import MuseEngine
from muse.method import Method
from muse.reference import muse as reference


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


def speeds(models: Models, method: Method, images: int, slow: int, seed: int) -> dict[str, float]:
    """Seconds for each image.

    Of `slow` images: `reference`, the reference loop; `one_slot`, the engine with a single slot. Of `images`: the
    engine with `all_slots`; and at a quarter of the slots `refilled` (a finished request leaves its slot to the next),
    `batches` (the same engine batch after batch) and `lockstep` (batch after batch by the plain loop of jobs/lockstep).
    """
    cases = draw_cases(images, seed + 1, editing=False)
    asked = [request(case, plain(case)) for case in cases]
    few, slots = asked[:slow], max(2, images // 4)
    parts = (models.backbone, models.guide, models.clip, method)

    def engine(requests: Sequence[Any], slots: int = 0) -> None:
        MuseEngine(*parts, slots).run(requests)

    @torch.no_grad()
    def one_by_one() -> None:
        for each in few:
            models.backbone.codec.decode(reference(*parts, each))

    def in_batches(make: Callable[[Sequence[Any]], Any]) -> None:
        for start in range(0, images, slots):
            make(asked[start : start + slots])

    @torch.no_grad()
    def in_step(requests: Sequence[Any]) -> None:
        models.backbone.codec.decode(lockstep(*parts, requests))

    engine(few[:1])  # the first run pays for allocations
    return {
        "reference": seconds(one_by_one) / slow,
        "one_slot": seconds(lambda: engine(few, 1)) / slow,
        "lockstep": seconds(lambda: in_batches(in_step)) / images,
        "batches": seconds(lambda: in_batches(engine)) / images,
        "refilled": seconds(lambda: engine(asked, slots)) / images,
        "all_slots": seconds(lambda: engine(asked)) / images,
    }
