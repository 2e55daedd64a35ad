"""The training data of the embedded model: scenes drawn in parallel into memory-mapped arrays."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random
from typing import TypeVar

import numpy as np
import torch

from muse.emotions import MIKELS
from muse.mini.world.contents import PLACES, SUBJECTS
from muse.mini.world.scenes import SIZE, render, sample_scene, training_pair

PIECE = 2000
"""Scenes a piece. Every piece has its own seed, so the number of processes does not matter."""

Piece = TypeVar("Piece")


@dataclass(frozen=True)
class Scenes:
    """Rendered scenes.

    Attributes:
        pixels: uint8 (n, 64, 64, 3).
        captions: n captions.
        labels: int64 (n, 3): emotion, place, subject.
    """

    pixels: np.ndarray
    captions: list[str]
    labels: np.ndarray

    def batch(self, index: np.ndarray | torch.Tensor) -> torch.Tensor:
        """Float pixels in [0, 1], (b, 3, 64, 64), channels last."""
        chosen = torch.from_numpy(self.pixels[np.asarray(index)])
        return chosen.permute(0, 3, 1, 2).float().div_(255)


def draw(
    seed: int, count: int, balanced: bool
) -> tuple[np.ndarray, list[str], list[tuple[int, int, int]]]:
    """Pixels, captions and labels of `count` scenes, as in `Scenes`."""
    rng = Random(seed)
    pixels, captions, labels = np.empty((count, SIZE, SIZE, 3), np.uint8), [], []
    for i in range(count):
        if balanced:
            content = rng.choice(list(PLACES)), rng.choice(list(SUBJECTS))
            scene, caption = sample_scene(rng, *content, MIKELS.labels[i % len(MIKELS)]), ""
        else:
            scene, caption = training_pair(rng)
        pixels[i] = np.asarray(render(scene))
        captions.append(caption)
        content_labels = list(PLACES).index(scene.place), list(SUBJECTS).index(scene.subject)
        labels.append((MIKELS.index(scene.emotion), *content_labels))
    return pixels, captions, labels


def in_pieces(draw_piece: Callable[[int, int], Piece], count: int, seed: int) -> Iterator[Piece]:
    """The results of `draw_piece(seed, count)`, piece by piece, from a process per torch thread."""
    starts = range(0, count, PIECE)
    with ProcessPoolExecutor(torch.get_num_threads()) as pool:
        seeds = (seed * 100_003 + start for start in starts)
        counts = (min(PIECE, count - start) for start in starts)
        yield from pool.map(draw_piece, seeds, counts)


def draw_scenes(folder: Path, count: int, seed: int, balanced: bool) -> Scenes:
    """Draw `count` scenes, or load them if drawn before.

    Args:
        balanced: every emotion equally often, without captions.
    """
    done = folder / "labels.json"
    if not done.exists():
        folder.mkdir(parents=True, exist_ok=True)
        pixels = np.lib.format.open_memmap(
            folder / "pixels.npy", "w+", np.uint8, (count, SIZE, SIZE, 3)
        )
        captions: list[str] = []
        labels: list[tuple[int, int, int]] = []
        for piece in in_pieces(partial(draw, balanced=balanced), count, seed):
            pixels[len(labels) : len(labels) + len(piece[0])] = piece[0]
            captions += piece[1]
            labels += piece[2]
        pixels.flush()
        done.write_text(json.dumps({"captions": captions, "labels": labels}))
    drawn = json.loads(done.read_text())
    pixels = np.load(folder / "pixels.npy", mmap_mode="r")
    return Scenes(pixels, drawn["captions"], np.asarray(drawn["labels"]))


def epochs(count: int, batch: int, generator: torch.Generator) -> Iterator[np.ndarray]:
    """Batches of indices without end, each epoch in its own order."""
    while True:
        order = torch.randperm(count, generator=generator).numpy()
        for start in range(0, count - batch + 1, batch):
            yield np.sort(order[start : start + batch])
