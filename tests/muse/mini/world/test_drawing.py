"""Every drawing: it draws something, its own, and the same each time."""

from random import Random

import numpy as np
import pytest
from PIL import Image

from muse.mini.world.contents import PLACES, SUBJECTS
from muse.mini.world.drawing import (
    animals,
    faces,
    glowing_props,
    nature,
    props,
    shows,
    things,
    town,
    vehicles,
    weather,
)
from muse.mini.world.drawing.pen import Canvas, Pen, Strokes
from muse.mini.world.factors import EXPRESSIONS, PROPS, WEATHERS

SIDE = 96
GREY = (90, 90, 90)


def pen(strokes: Strokes | None = None, dim: float = 1.0) -> Pen:
    """A pen on a grey image, whose light multiplies colours by `dim`."""

    def grade(colour, lit):
        return (*(round(c * (1 + (dim - 1) * lit)) for c in colour[:3]), *colour[3:])

    image = Image.new("RGB", (SIDE, SIDE), GREY)
    return Pen(Canvas(image, grade, strokes or Strokes()))


def changed(drawn: Pen) -> np.ndarray:
    """Where the image is no longer grey, bool (side, side)."""
    return (np.asarray(drawn.canvas.image) != GREY).any(axis=2)


def as_subject(painter):
    return lambda drawn, rng: painter(drawn.at(0.5, 0.9, 0.45), rng)


def with_face(painter):
    return lambda drawn, rng: painter(drawn.at(0.5, 0.9, 0.45), rng, "neutral")


KINDS = {
    "places": {**nature.PAINTERS, **town.PAINTERS, **shows.PAINTERS},
    "things": {n: as_subject(p) for n, p in {**vehicles.PAINTERS, **things.PAINTERS}.items()},
    "animals": {name: with_face(painter) for name, painter in animals.PAINTERS.items()},
    "weather": {**weather.BEHIND, **weather.BEFORE},
    "props": {**props.GROUND, **props.AROUND, **glowing_props.GLOWING},
}


@pytest.mark.parametrize("kind", KINDS)
def test_each_drawing_is_its_own_and_the_same_each_time(kind):
    def picture(painter) -> bytes:
        drawn = pen()
        painter(drawn, Random(3))
        assert changed(drawn).mean() > 0.005
        return np.asarray(drawn.canvas.image).tobytes()

    pictures = {name: picture(painter) for name, painter in KINDS[kind].items()}
    assert len(set(pictures.values())) == len(pictures)
    assert {name: picture(painter) for name, painter in KINDS[kind].items()} == pictures


def test_every_content_and_factor_has_a_drawing():
    assert KINDS["places"].keys() == PLACES.keys()
    assert KINDS["things"].keys() | KINDS["animals"].keys() == SUBJECTS.keys()
    assert KINDS["weather"].keys() | {"clear"} == WEATHERS.keys()
    assert KINDS["props"].keys() == PROPS.keys()


def test_every_expression_has_a_face_of_its_own():
    pictures = set()
    for expression in EXPRESSIONS:
        drawn = pen()
        faces.face(drawn, 0.5, 0.5, 0.4, expression)
        pictures.add(np.asarray(drawn.canvas.image).tobytes())
    assert len(pictures) == len(EXPRESSIONS)


def test_a_pen_draws_in_unit_coordinates_and_in_its_own():
    whole, half = pen(), pen()
    whole.rect(0.0, 0.0, 0.5, 1.0, (255, 0, 0))
    half.at(0.25, 0.5, 0.5).rect(-0.5, -1.0, 0.5, 1.0, (255, 0, 0))
    assert changed(whole)[:, : SIDE // 2 - 1].all()
    assert not changed(whole)[:, SIDE // 2 + 2 :].any()
    assert np.array_equal(changed(whole), changed(half))


def test_light_changes_what_does_not_glow():
    dimmed = pen(dim=0.5)
    dimmed.rect(0, 0, 1, 1, (200, 100, 50))
    assert dimmed.canvas.image.getpixel((9, 9)) == (100, 50, 25)
    dimmed.glowing().rect(0, 0, 1, 1, (200, 100, 50))
    assert dimmed.canvas.image.getpixel((9, 9)) == (200, 100, 50)


@pytest.mark.parametrize("strokes", [Strokes(outline=0.05), Strokes(shadow=0.05)])
def test_outlines_and_shadows_reach_beyond_a_shape_unless_it_is_plain(strokes):
    bare, stroked, plain = pen(), pen(strokes), pen(strokes)
    for drawn, is_plain in ((bare, False), (stroked, False), (plain, True)):
        drawn.rect(0.3, 0.3, 0.7, 0.7, (255, 0, 0), is_plain)
    assert changed(stroked).sum() > changed(bare).sum()
    assert np.array_equal(changed(plain), changed(bare))
