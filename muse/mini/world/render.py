"""Draws a scene."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cache
from random import Random

import numpy as np
from PIL import Image

from muse.mini.world.drawing import (
    animals,
    glowing_props,
    nature,
    props,
    shows,
    things,
    town,
    vehicles,
    weather,
)
from muse.mini.world.drawing.pen import SUPERSAMPLE, Canvas, Colour, Painter, Pen
from muse.mini.world.factors import LIGHTS, Light
from muse.mini.world.scene import Scene
from muse.mini.world.styles import STYLES

SIZE = 128
"""Side of a scene in pixels."""

PLACES: dict[str, Painter] = {**nature.PAINTERS, **town.PAINTERS, **shows.PAINTERS}
THINGS: dict[str, Painter] = {**vehicles.PAINTERS, **things.PAINTERS}
PROPS: dict[str, Painter] = {**props.AROUND, **glowing_props.GLOWING}
SUBJECT_LIGHT, PROP_LIGHT = 0.45, 0.35
"""Shares of the scene's light in the colours of subject and props, or night would hide them."""


@dataclass(frozen=True)
class Stance:
    """How a posture holds a subject: how high, in image sides, and factors on its axes.

    There are few, and none is tilted, so that the VAE sees each subject often in the same shape.
    """

    lift: float = 0.0
    wide: float = 1.0
    high: float = 1.0


LOW = Stance(wide=1.16, high=0.75)
STANCES: dict[str, Stance] = {
    "upright": Stance(),
    "hopping": Stance(lift=0.125),
    "dancing": Stance(),
    "soaring": Stance(lift=0.25),
    "resting": LOW,
    "leaping": Stance(lift=0.25),
    "charging": Stance(),
    "recoiling": LOW,
    "cowering": LOW,
    "slumped": LOW,
}


def _grade(light: Light, colour: Colour, lit: float) -> Colour:
    """A colour under a light: saturated, tinted and lifted by the share `lit`."""
    luma = 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2]
    keep, channels = 1 + (light.saturation - 1) * lit, []
    for value, tint in zip(colour, light.tint, strict=False):
        shown = (1 + (tint - 1) * lit) * (luma + (value - luma) * keep) + light.lift * lit
        channels.append(min(255, max(0, round(shown))))
    return (*channels, *colour[3:])


def _sky(light: Light, side: int) -> Image.Image:
    ramp = np.clip(np.linspace(0.0, 1.0, side, dtype=np.float32) / 0.52, 0.0, 1.0)[:, None] ** 0.9
    zenith, horizon = (np.asarray(rgb, np.float32) for rgb in (light.zenith, light.horizon))
    rows = (1 - ramp) * zenith + ramp * horizon
    return Image.fromarray(np.repeat(rows[:, None, :], side, axis=1).round().astype(np.uint8))


@cache
def _corners(size: int) -> np.ndarray:
    """Float32 (size, size, 1): 0 in the middle of the picture, 1 in its corners."""
    axis = np.linspace(-1, 1, size, dtype=np.float32)
    return ((axis[:, None] ** 2 + axis[None, :] ** 2) / 2)[..., None]


def _marks(pen: Pen, posture: str) -> None:
    """Lines that show how the subject moves or feels, in its own coordinates on the ground."""
    white: Colour = (250, 250, 250)
    if posture in ("hopping", "leaping"):
        for k in (0.0, 0.12):
            pen.curve([(-0.4, -0.02 + k), (0, 0.06 + k), (0.4, -0.02 + k)], 0.045, white)
    elif posture == "charging":
        for y in (-0.3, -0.5, -0.7):
            pen.line([(-1.0, y), (-0.66, y)], 0.05, white)
    elif posture == "dancing":
        for side in (-1, 1):
            x = side * 0.66
            pen.curve([(x, -0.95), (x + 0.1 * side, -0.78), (x, -0.6)], 0.05, white)
    elif posture == "cowering":
        for side in (-1, 1):
            zigzag = [(side * (0.74 + 0.07 * (i % 2)), -0.7 + 0.17 * i) for i in range(5)]
            pen.line(zigzag, 0.045, white)
    elif posture == "recoiling":
        for x in (-0.12, 0.12):
            pen.line([(x, -1.1), (x, -0.94)], 0.06, white)
            pen.oval(x, -0.86, 0.03, 0.03, white, plain=True)
    elif posture == "resting":
        for x, y, s in ((0.5, -0.8, 0.1), (0.68, -1.0, 0.13)):
            pen.line([(x, y - s), (x + s, y - s), (x, y), (x + s, y)], 0.04, white)
    elif posture == "slumped":
        knot = [(0.2 * math.cos(1.9 * i), -1.0 + 0.09 * math.sin(2.7 * i)) for i in range(9)]
        pen.curve(knot, 0.035, (70, 70, 82))


def _subject(pen: Pen, scene: Scene, rng: Random) -> None:
    """The subject with its shadow, a little aside of the middle, facing either way."""
    x, y, unit = rng.uniform(0.43, 0.57), rng.uniform(0.88, 0.93), rng.uniform(0.46, 0.52)
    facing, stance = rng.choice((-1, 1)), STANCES[scene.posture]
    spread = unit * 0.5 * stance.wide
    pen.oval(x, y, spread, 0.026, (10, 8, 20, 80))
    own = replace(pen, x=x, y=y, unit=unit, wide=facing, lit=SUBJECT_LIGHT)
    _marks(replace(own, lit=0.0), scene.posture)
    own = replace(own, y=y - stance.lift, wide=facing * stance.wide, high=stance.high)
    if scene.subject in animals.PAINTERS:
        animals.PAINTERS[scene.subject](own, rng, scene.expression)
    else:
        THINGS[scene.subject](own, rng)


def render(scene: Scene, size: int = SIZE) -> Image.Image:
    """The scene as an RGB image of `size` x `size` pixels; always the same pixels for a scene."""
    light, strokes, rng = LIGHTS[scene.light], STYLES[scene.style].strokes, Random(scene.layout)

    def grade(colour: Colour, lit: float) -> Colour:
        return _grade(light, colour, lit)

    sky = _sky(light, size * SUPERSAMPLE)
    ground = Pen(Canvas(sky, grade, strokes))
    air = ground.glowing()

    def paint(painter: Painter | None, pen: Pen) -> None:
        # Each thing has random numbers of its own: another one leaves those around it unchanged.
        own = Random(rng.getrandbits(32))
        if painter is not None:
            painter(pen, own)

    paint(weather.BEHIND.get(scene.weather), air)
    paint(PLACES[scene.place], ground)
    for prop in scene.props:
        paint(props.GROUND.get(prop), replace(ground, lit=PROP_LIGHT))
    paint(lambda pen, own: _subject(pen, scene, own), ground)
    for prop in scene.props:
        lit = 0.0 if prop in glowing_props.GLOWING else PROP_LIGHT
        paint(PROPS.get(prop), replace(ground, lit=lit))
    paint(weather.BEFORE.get(scene.weather), air)
    picture = sky.reduce(SUPERSAMPLE)
    if light.edges:
        pixels = np.asarray(picture, np.float32) * (1 - light.edges * _corners(size))
        picture = Image.fromarray(pixels.astype(np.uint8))
    return picture
