"""Where faces are in the training scenes: a face is small, and a VAE learns it last."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from random import Random

import numpy as np

from jobs.world.data import DrawOne, in_pieces
from muse.mini.world.drawing import animals
from muse.mini.world.render import render
from muse.mini.world.scene import Scene

NO_FACE = (0, 0, 0, 0)


def face_box(scene: Scene) -> Sequence[int]:
    """Top, bottom, left and right, in pixels, of what one other expression would change."""
    if scene.subject not in animals.PAINTERS:
        return NO_FACE
    other = "laughing" if scene.expression == "neutral" else "neutral"
    drawn, changed = (
        np.asarray(render(each)) for each in (scene, replace(scene, expression=other))
    )
    rows, columns = (drawn != changed).any(axis=2).nonzero()
    # It may be hidden behind a prop.
    if not len(rows):
        return NO_FACE
    return rows.min(), rows.max() + 1, columns.min(), columns.max() + 1


def _boxes(seed: int, count: int, draw_one: DrawOne) -> np.ndarray:
    rng = Random(seed)
    return np.array([face_box(draw_one(rng)[0]) for _ in range(count)], np.uint8)


def draw_faces(folder: Path, count: int, seed: int, draw_one: DrawOne) -> np.ndarray:
    """The boxes uint8 (n, 4) of the faces in the scenes that `draw_set` draws with the same
    arguments, as `face_box` gives them; found once, and kept beside them."""
    file = folder / "faces.npy"
    if not file.exists():
        boxes = np.concatenate([*in_pieces(partial(_boxes, draw_one=draw_one), count, seed)])
        part = file.with_suffix(".part.npy")
        np.save(part, boxes)
        part.replace(file)
    return np.load(file)
