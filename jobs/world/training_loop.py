"""A training loop that resumes from checkpoints with the same random draws and order."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from torch import nn

from jobs.world.data import epochs

OPTIMIZER, STEP = "optimizer", "step"
"""Keys of a checkpoint, beside those of its parts. A finished one may lack the first."""


class Training:
    """A training loop with a learning-rate schedule, checkpoints and progress messages.

    Args:
        bfloat16: compute products and convolutions in it (torch's autocast); weights are float32.
            Otherwise all is: whether bfloat16 is faster differs between CPUs.
    """

    def __init__(
        self,
        name: str,
        work: Path,
        parts: dict[str, nn.Module],
        rate: float,
        steps: int,
        bfloat16: bool = False,
    ):
        self.name, self.file, self.parts = name, work / f"{name}.pt", parts
        self.steps, self.rate, self.bfloat16 = steps, rate, bfloat16
        parameters = [
            p for key, part in parts.items() if not key.startswith("ema") for p in part.parameters()
        ]
        self.optimizer = torch.optim.AdamW(
            parameters, lr=rate, betas=(0.9, 0.99), weight_decay=0.01
        )
        self.step = 0
        if self.file.exists():
            saved = torch.load(self.file, weights_only=True)
            for key, part in parts.items():
                part.load_state_dict(saved[key])
            if OPTIMIZER in saved:
                self.optimizer.load_state_dict(saved[OPTIMIZER])
            self.step = saved[STEP]

    def save(self) -> None:
        state = {key: part.state_dict() for key, part in self.parts.items()}
        part_file = self.file.with_suffix(".part")
        torch.save({**state, OPTIMIZER: self.optimizer.state_dict(), STEP: self.step}, part_file)
        part_file.replace(self.file)

    def run(
        self, loss_of: Callable[[int], torch.Tensor], after: Callable[[], None] = lambda: None
    ) -> None:
        """Warm up over 2 % of the steps, hold, and decay linearly over the last 40 %."""
        saved = shown = time.monotonic()
        running, began, first = 0.0, time.monotonic(), self.step
        while self.step < self.steps:
            done = self.step / self.steps
            for group in self.optimizer.param_groups:
                group["lr"] = self.rate * min(1.0, done / 0.02 + 0.01, (1.0 - done) / 0.4 + 0.005)
            with torch.autocast("cpu", torch.bfloat16, enabled=self.bfloat16):
                loss = loss_of(self.step)
            self.optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(
                [p for g in self.optimizer.param_groups for p in g["params"]], 1.0
            )
            self.optimizer.step()
            after()
            self.step += 1
            running = loss.item() if self.step == first + 1 else 0.98 * running + 0.02 * loss.item()
            now = time.monotonic()
            if now - shown > 20:
                shown, left = now, (now - began) / (self.step - first) * (self.steps - self.step)
                done_steps = f"{self.name}: step {self.step}/{self.steps}"
                print(f"{done_steps} loss {running:.4f} left {left / 60:.1f} min", flush=True)
            if now - saved > 120:
                saved = now
                self.save()
        self.save()


def generator(seed: int, step: int, stage: int) -> torch.Generator:
    """The generator of one step, the same whether or not the training was interrupted before."""
    return torch.Generator().manual_seed((seed * 31 + stage) * 1_000_003 + step)


def stream(seed: int, count: int, batch: int, stage: int, start: int) -> Iterator[np.ndarray]:
    """Batches of indices from step `start` on."""
    index = epochs(count, batch, torch.Generator().manual_seed(seed + stage))
    for _ in range(start):
        next(index)
    return index
