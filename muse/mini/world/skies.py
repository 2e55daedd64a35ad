"""Skies and weather, drawn behind the place (`BEHIND`) or over everything (`BEFORE`)."""

from __future__ import annotations

import math
from random import Random

from muse.mini.world.canvas import BRIGHTS, Colour, Painter, Pen


def _clouds(pen: Pen, rng: Random) -> None:
    for x, y in [(0.18, 0.14), (0.52, 0.07), (0.84, 0.17)]:
        x, y = x + rng.uniform(-0.06, 0.06), y + rng.uniform(-0.03, 0.04)
        for dx, dy, r in [
            (-0.09, 0.015, 0.055),
            (0, -0.015, 0.08),
            (0.09, 0.015, 0.06),
            (0.02, 0.03, 0.07),
        ]:
            pen.oval(x + dx, y + dy, r * 1.2, r * 0.8, (255, 255, 255, 235))


def _rainbow(pen: Pen, rng: Random) -> None:
    x = 0.5 + rng.uniform(-0.1, 0.1)
    bands = [
        (240, 60, 60),
        (250, 150, 50),
        (250, 230, 70),
        (90, 200, 90),
        (70, 140, 240),
        (160, 90, 220),
    ]
    for i, colour in enumerate(bands):
        pen.ring(x, 0.62, 0.56 - 0.028 * i, 0.032, (*colour, 215))


def _beams(pen: Pen, rng: Random) -> None:
    x, y = rng.uniform(0.25, 0.75), 0.08
    for i in range(12):
        a = i * math.pi / 6 + rng.uniform(-0.1, 0.1)
        w = 0.09
        pen.poly(
            [
                (x, y),
                (x + 1.4 * math.cos(a - w), y + 1.4 * math.sin(a - w)),
                (x + 1.4 * math.cos(a + w), y + 1.4 * math.sin(a + w)),
            ],
            (255, 244, 190, 120),
        )
    pen.oval(x, y, 0.12, 0.12, (255, 246, 200, 255))


def _stars(pen: Pen, rng: Random) -> None:
    for _ in range(34):
        x, y, r = rng.random(), rng.uniform(0, 0.52), rng.choice([0.01, 0.013, 0.018])
        pen.oval(x, y, r, r, (255, 252, 226, 255))
    x, y = rng.uniform(0.3, 0.8), rng.uniform(0.05, 0.2)
    pen.line([(x, y), (x - 0.2, y + 0.1)], 0.012, (255, 252, 226, 220))


def _aurora(pen: Pen, rng: Random) -> None:
    phase = rng.uniform(0, 6.28)
    for k, colour in enumerate([(70, 255, 170), (80, 230, 235), (190, 110, 255)]):
        ridge = [
            (i / 16, 0.16 + 0.1 * k + 0.06 * math.sin(phase + i * 0.55 + k)) for i in range(17)
        ]
        for lift, alpha in ((0.17, 70), (0.1, 90), (0.045, 130)):
            pen.poly([*ridge, *[(x, y - lift) for x, y in reversed(ridge)]], (*colour, alpha))


def _fireworks(pen: Pen, rng: Random) -> None:
    for x, y in [(0.2, 0.2), (0.55, 0.13), (0.84, 0.24)]:
        x, y, colour = (
            x + rng.uniform(-0.06, 0.06),
            y + rng.uniform(-0.04, 0.04),
            rng.choice(BRIGHTS),
        )
        reach = rng.uniform(0.12, 0.18)
        for i in range(12):
            a = i * math.pi / 6
            c, s = math.cos(a), math.sin(a)
            pen.line(
                [(x + 0.03 * c, y + 0.03 * s), (x + reach * c, y + reach * s)],
                0.016,
                (*colour, 255),
            )
            pen.oval(x + reach * c, y + reach * s, 0.018, 0.018, (255, 255, 255, 255))


def _spotlights(pen: Pen, rng: Random) -> None:
    for x in (0.08, 0.36, 0.64, 0.92):
        foot = 0.5 + (x - 0.5) * 0.4 + rng.uniform(-0.2, 0.2)
        colour = rng.choice(BRIGHTS)
        pen.poly(
            [(x - 0.015, 0), (x + 0.015, 0), (foot + 0.13, 0.86), (foot - 0.13, 0.86)],
            (*colour, 105),
        )
        pen.oval(x, 0.01, 0.04, 0.035, (255, 255, 255, 255))


def _lightning(pen: Pen, rng: Random) -> None:
    for i in range(8):
        pen.oval(i / 7, 0.03 + rng.uniform(0, 0.03), 0.13, 0.1, (34, 30, 40, 225))
    for x in (rng.uniform(0.1, 0.35), rng.uniform(0.6, 0.9)):
        points = [
            (x, 0.08),
            (x - 0.06, 0.22),
            (x + 0.02, 0.22),
            (x - 0.07, 0.42),
            (x + 0.07, 0.19),
            (x, 0.19),
            (x + 0.06, 0.08),
        ]
        pen.poly(points, (255, 252, 190, 255))


def _smoke(pen: Pen, rng: Random) -> None:
    for x in (0.12, 0.48, 0.86):
        x += rng.uniform(-0.06, 0.06)
        for k in range(8):
            r = 0.045 + 0.016 * k
            pen.oval(
                x + 0.05 * math.sin(k * 0.9 + x * 9), 0.52 - 0.075 * k, r, r, (26, 22, 24, 190)
            )


def _smog(pen: Pen, rng: Random) -> None:
    for _ in range(9):
        x, y = rng.random(), rng.uniform(0.05, 0.75)
        pen.oval(x, y, rng.uniform(0.22, 0.4), rng.uniform(0.04, 0.08), (206, 190, 70, 78))


def _slanted(
    pen: Pen, rng: Random, count: int, length: float, width: float, colour: Colour
) -> None:
    for _ in range(count):
        x, y = rng.uniform(0, 1.1), rng.uniform(-0.05, 1)
        pen.line([(x, y), (x - length * 0.35, y + length)], width, colour)


def _drizzle(pen: Pen, rng: Random) -> None:
    _slanted(pen, rng, 34, 0.09, 0.015, (112, 124, 40, 200))


def _rain(pen: Pen, rng: Random) -> None:
    for i in range(7):
        pen.oval(i / 6, 0.02 + rng.uniform(0, 0.03), 0.14, 0.08, (86, 90, 100, 220))
    _slanted(pen, rng, 36, 0.16, 0.014, (206, 216, 232, 190))


def _fog(pen: Pen, rng: Random) -> None:
    for k in range(7):
        y = 0.3 + 0.09 * k + rng.uniform(-0.02, 0.02)
        x = rng.uniform(0.2, 0.8)
        pen.oval(x, y, 0.62, 0.055, (206, 214, 216, 100))
        pen.oval(1 - x, y + 0.04, 0.5, 0.04, (206, 214, 216, 90))


def _moon(pen: Pen, rng: Random) -> None:
    x, y = rng.choice([rng.uniform(0.14, 0.3), rng.uniform(0.7, 0.86)]), 0.16
    for r, alpha in ((0.17, 50), (0.145, 80)):
        pen.oval(x, y, r, r, (236, 236, 200, alpha))
    pen.oval(x, y, 0.12, 0.12, (244, 240, 208, 255))
    for dx, dy, r in [(-0.04, -0.03, 0.024), (0.03, 0.035, 0.03), (0.045, -0.04, 0.018)]:
        pen.oval(x + dx, y + dy, r, r, (208, 204, 172, 255))


def _snow(pen: Pen, rng: Random) -> None:
    for _ in range(44):
        r = rng.uniform(0.012, 0.021)
        pen.oval(rng.random(), rng.random(), r, r, (250, 252, 255, 245))


BEHIND: dict[str, Painter] = {
    "clouds": _clouds,
    "rainbow": _rainbow,
    "beams": _beams,
    "stars": _stars,
    "aurora": _aurora,
    "fireworks": _fireworks,
    "lightning": _lightning,
    "smoke": _smoke,
    "moon": _moon,
}
BEFORE: dict[str, Painter] = {
    "spotlights": _spotlights,
    "smog": _smog,
    "drizzle": _drizzle,
    "rain": _rain,
    "fog": _fog,
    "snow": _snow,
}
