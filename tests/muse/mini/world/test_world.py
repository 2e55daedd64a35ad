"""Every drawing of the world: it draws something, its own, the same each time, inside the image."""

from random import Random

import numpy as np
import pytest

from muse.mini.world import glowing_props, places, props, skies, subjects
from muse.mini.world.canvas import SUPERSAMPLE, Pen, layer
from muse.mini.world.contents import PLACES, SUBJECTS
from muse.mini.world.factors import PROPS, SKIES

SIDE = 32
KINDS = {
    "places": places.PAINTERS,
    "subjects": subjects.PAINTERS,
    "skies behind": skies.BEHIND,
    "skies before": skies.BEFORE,
    "props around": props.AROUND,
    "props on the ground": props.GROUND,
    "glowing props": glowing_props.GLOWING,
}


def drawn(painter, seed: int = 3) -> bytes:
    pen = layer(SIDE)
    # Subjects stand on their origin; everything else covers the image.
    is_subject = painter in subjects.PAINTERS.values()
    painter(pen.at(0.5, 0.9, 0.4) if is_subject else pen, Random(seed))
    return np.asarray(pen.image).tobytes()


@pytest.mark.parametrize("kind", KINDS)
def test_each_drawing_is_its_own_and_the_same_each_time(kind):
    painters = KINDS[kind]
    pictures = {name: drawn(painter) for name, painter in painters.items()}
    empty = np.asarray(layer(SIDE).image).tobytes()
    assert [name for name, picture in pictures.items() if picture == empty] == []
    assert len({*pictures.values()}) == len(painters)
    assert {name: drawn(painter) for name, painter in painters.items()} == pictures


def test_every_content_and_factor_has_a_drawing():
    assert {*places.PAINTERS} == {*PLACES}
    assert {*subjects.PAINTERS} == {*SUBJECTS}
    assert {*SKIES} - {*skies.BEHIND, *skies.BEFORE} <= {"clear", "plain", "none"}
    assert {*props.AROUND, *props.GROUND, *glowing_props.GLOWING} >= {*PROPS}


def opaque(pen: Pen) -> np.ndarray:
    return np.asarray(pen.image)[..., 3] > 0


def test_a_pen_draws_in_unit_coordinates():
    pen = layer(SIDE)
    pen.rect(0.0, 0.0, 0.5, 1.0, (255, 0, 0))
    side = SIDE * SUPERSAMPLE
    assert opaque(pen)[:, : side // 2 - 1].all()
    assert not opaque(pen)[:, side // 2 + 2 :].any()


def test_a_flipped_pen_draws_the_mirror_image():
    plain, flipped = layer(SIDE), layer(SIDE)
    plain.at(0.5, 0.5, 0.5).rect(0.1, 0.0, 0.4, 0.2, (255, 0, 0))
    flipped.at(0.5, 0.5, 0.5, flip=True).rect(0.1, 0.0, 0.4, 0.2, (255, 0, 0))
    difference = opaque(plain) ^ opaque(flipped)[:, ::-1]
    assert difference.mean() < 0.02
