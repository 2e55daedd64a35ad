"""The training data of the world of scenes, drawn into memory-mapped arrays."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random

import numpy as np

from jobs.world.data import Scenes, in_pieces
from muse.emotions import MIKELS
from muse.mini.world.captions import training_pair
from muse.mini.world.contents import PLACES, SUBJECTS, inherent
from muse.mini.world.render import SIZE, render
from muse.mini.world.scene import Scene, sample_scene

Drawn = tuple[np.ndarray, list[str], list[list[float]]]
"""Pixels uint8 (n, side, side, 3), captions, and rows of labels (see `labels_of`)."""

TWO_EMOTIONS = 0.25
"""Share of the scenes for classifiers that show two emotions."""


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


def draw(
    seed: int, count: int, side: int, draw_one: Callable[[Random], tuple[Scene, str]]
) -> Drawn:
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


def draw_set(
    folder: Path, count: int, seed: int, side: int, draw_one: Callable[[Random], tuple[Scene, str]]
) -> Scenes:
    """Draw `count` scenes, or load them if drawn before; labels float64 (count, 2 + emotions)."""
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
