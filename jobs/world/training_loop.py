"""A training loop that resumes from checkpoints with the same random draws and order."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from torch import nn

from jobs.world.data import epochs
from jobs.world.matrices import MatrixMuon, is_matrix

OPTIMIZERS, STEP = "optimizers", "step"
"""Keys of a checkpoint, beside those of its parts."""


class Training:
    """A training loop with a learning-rate schedule, checkpoints and progress messages.

    Products and convolutions are computed in bfloat16 (torch's autocast), twice as fast on CPUs
    that have it; weights are float32.

    Args:
        muon: move matrices and convolutions by Muon, the rest by AdamW; otherwise all by AdamW.
    """

    def __init__(
        self,
        name: str,
        work: Path,
        parts: dict[str, nn.Module],
        rate: float,
        steps: int,
        muon: bool = False,
    ):
        self.name, self.file, self.parts = name, work / f"{name}.pt", parts
        self.steps, self.rate = steps, rate
        named = []
        for key, part in parts.items():
            if not key.startswith("ema"):
                named += list(part.named_parameters())
        self.parameters = [parameter for _, parameter in named]
        matrices = [parameter for name, parameter in named if muon and is_matrix(name, parameter)]
        moved = {id(parameter) for parameter in matrices}
        others = [parameter for parameter in self.parameters if id(parameter) not in moved]
        adam = torch.optim.AdamW(others, lr=rate, betas=(0.9, 0.99), weight_decay=0.01)
        self.muon = MatrixMuon(matrices, rate) if muon else None
        self.optimizers = [adam] if self.muon is None else [adam, self.muon.optimizer]
        self.step = 0
        if self.file.exists():
            saved = torch.load(self.file, weights_only=True)
            for key, part in parts.items():
                part.load_state_dict(saved[key])
            for optimizer, state in zip(self.optimizers, saved[OPTIMIZERS], strict=True):
                optimizer.load_state_dict(state)
            self.step = saved[STEP]

    def save(self) -> None:
        state = {key: part.state_dict() for key, part in self.parts.items()}
        part_file = self.file.with_suffix(".part")
        optimizers = [optimizer.state_dict() for optimizer in self.optimizers]
        torch.save({**state, OPTIMIZERS: optimizers, STEP: self.step}, part_file)
        part_file.replace(self.file)

    def run(
        self, loss_of: Callable[[int], torch.Tensor], after: Callable[[], None] = lambda: None
    ) -> None:
        """Warm up over 2 % of the steps, hold, and decay linearly over the last 40 %."""
        saved = shown = time.monotonic()
        running, began, first = 0.0, time.monotonic(), self.step
        while self.step < self.steps:
            done = self.step / self.steps
            for optimizer in self.optimizers:
                for group in optimizer.param_groups:
                    group["lr"] = self.rate * min(
                        1.0, done / 0.02 + 0.01, (1.0 - done) / 0.4 + 0.005
                    )
            with torch.autocast("cpu", torch.bfloat16):
                loss = loss_of(self.step)
            for parameter in self.parameters:
                parameter.grad = None
            loss.backward()
            nn.utils.clip_grad_norm_(self.parameters, 1.0)
            self.optimizers[0].step()
            if self.muon is not None:
                self.muon.step()
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
