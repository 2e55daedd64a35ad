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
from muse.mini.world.captions import training_pair
from muse.mini.world.contents import PLACES, SUBJECTS, inherent
from muse.mini.world.render import SIZE, render
from muse.mini.world.scene import Scene, sample_scene

PIECE = 2000
"""Scenes a piece. Every piece has its own seed, so the number of processes does not matter."""

TWO_EMOTIONS = 0.25
"""Share of the scenes for classifiers that show two emotions."""

Piece = TypeVar("Piece")
DrawOne = Callable[[Random], tuple[Scene, str]]
"""Draws a scene with its caption."""
Drawn = tuple[np.ndarray, list[str], list[list[float]]]
"""Pixels uint8 (n, side, side, 3), captions, and rows of labels (see `labels_of`)."""


@dataclass(frozen=True)
class Scenes:
    """Rendered scenes.

    Attributes:
        pixels: uint8 (n, side, side, 3).
        captions: n captions.
        labels: float64 (n, 2 + emotions), as `labels_of` gives them.
    """

    pixels: np.ndarray
    captions: list[str]
    labels: np.ndarray

    def batch(self, index: np.ndarray | torch.Tensor) -> torch.Tensor:
        """Float pixels in [0, 1], (b, 3, side, side), channels last."""
        chosen = torch.from_numpy(self.pixels[np.asarray(index)])
        return chosen.permute(0, 3, 1, 2).float().div_(255)


def labels_of(scene: Scene) -> list[float]:
    """Place, subject, and a share for each emotion, in the order of `MIKELS.labels`."""
    shares = [0.0] * len(MIKELS)
    for emotion in scene.emotions:
        shares[MIKELS.index(emotion)] += 1 / len(scene.emotions)
    return [list(PLACES).index(scene.place), list(SUBJECTS).index(scene.subject), *shares]


@dataclass(frozen=True)
class Pairs:
    """Draws scenes with captions; see `captions.training_pair`."""

    displaced: float

    def __call__(self, rng: Random) -> tuple[Scene, str]:
        return training_pair(rng, self.displaced)


@dataclass(frozen=True)
class Labelled:
    """Draws scenes of any content without captions.

    Attributes:
        natural: share of the scenes whose emotion is drawn as EmoSet's annotators found it for the
            content; in the others it is any.
    """

    natural: float

    def __call__(self, rng: Random) -> tuple[Scene, str]:
        place, subject = rng.choice(list(PLACES)), rng.choice(list(SUBJECTS))
        first = rng.choice(MIKELS.labels)
        if rng.random() < self.natural:
            first = rng.choices(MIKELS.labels, inherent(place, subject))[0]
        emotions = [first]
        if rng.random() < TWO_EMOTIONS:
            emotions.append(rng.choice([label for label in MIKELS.labels if label != first]))
        return sample_scene(rng, place, subject, emotions), ""


def draw(seed: int, count: int, side: int, draw_one: DrawOne) -> Drawn:
    """`count` scenes rendered at `SIZE` and averaged down to `side`, a divisor of it."""
    rng, pixels = Random(seed), np.empty((count, side, side, 3), np.uint8)
    captions: list[str] = []
    labels: list[list[float]] = []
    for i in range(count):
        scene, caption = draw_one(rng)
        pixels[i] = np.asarray(render(scene).reduce(SIZE // side))
        captions.append(caption)
        labels.append(labels_of(scene))
    return pixels, captions, labels


def in_pieces(draw_piece: Callable[[int, int], Piece], count: int, seed: int) -> Iterator[Piece]:
    """The results of `draw_piece(seed, count)`, piece by piece, from a process per torch thread."""
    starts = range(0, count, PIECE)
    with ProcessPoolExecutor(torch.get_num_threads()) as pool:
        seeds = (seed * 100_003 + start for start in starts)
        counts = (min(PIECE, count - start) for start in starts)
        yield from pool.map(draw_piece, seeds, counts)


def draw_set(folder: Path, count: int, seed: int, side: int, draw_one: DrawOne) -> Scenes:
    """Draw `count` scenes of `side` pixels, or load them if drawn before."""
    done = folder / "labels.json"
    if not done.exists():
        folder.mkdir(parents=True, exist_ok=True)
        shape = (count, side, side, 3)
        pixels = np.lib.format.open_memmap(folder / "pixels.npy", "w+", np.uint8, shape)
        captions: list[str] = []
        labels: list[list[float]] = []
        for piece in in_pieces(partial(draw, side=side, draw_one=draw_one), count, seed):
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
