"""Weather and skies, drawn behind the place (`BEHIND`) or over everything (`BEFORE`)."""

from __future__ import annotations

import math
from random import Random

from muse.mini.world.drawing.pen import BRIGHTS, WHITE, Colour, Painter, Pen


def _cloud(pen: Pen, x: float, y: float, s: float, colour: Colour) -> None:
    for dx, dy, r in (
        (-0.1, 0.02, 0.06),
        (0, -0.02, 0.085),
        (0.1, 0.02, 0.065),
        (0.03, 0.03, 0.075),
    ):
        pen.oval(x + dx * s, y + dy * s, r * 1.25 * s, r * 0.85 * s, colour, plain=True)


def _clouds(pen: Pen, rng: Random) -> None:
    for x, y in ((0.18, 0.15), (0.52, 0.08), (0.84, 0.18)):
        x, y = x + rng.uniform(-0.06, 0.06), y + rng.uniform(-0.03, 0.04)
        _cloud(pen, x, y + 0.02, 1.0, (214, 228, 242))
        _cloud(pen, x, y, 0.95, (255, 255, 255))


def _rainbow(pen: Pen, rng: Random) -> None:
    x = 0.5 + rng.uniform(-0.1, 0.1)
    bands = (
        (240, 70, 70),
        (250, 156, 60),
        (250, 232, 80),
        (96, 206, 100),
        (76, 146, 244),
        (164, 96, 224),
    )
    for i, colour in enumerate(bands):
        pen.ring(x, 0.62, 0.57 - 0.03 * i, 0.034, (*colour, 225))


def _beams(pen: Pen, rng: Random) -> None:
    x, y = rng.uniform(0.25, 0.75), 0.09
    for i in range(12):
        a, w = i * math.pi / 6 + rng.uniform(-0.1, 0.1), 0.1
        far = (
            (x + 1.4 * math.cos(a - w), y + 1.4 * math.sin(a - w)),
            (x + 1.4 * math.cos(a + w), y + 1.4 * math.sin(a + w)),
        )
        pen.poly([(x, y), *far], (255, 246, 196, 110))
    for r, alpha in ((0.17, 80), (0.145, 110)):
        pen.oval(x, y, r, r, (255, 248, 206, alpha))
    pen.oval(x, y, 0.12, 0.12, (255, 250, 214), plain=True)


def _stars(pen: Pen, rng: Random) -> None:
    for _ in range(14):
        x, y, r = rng.random(), rng.uniform(0, 0.52), rng.choice((0.011, 0.015))
        pen.oval(x, y, r, r, (255, 252, 226), plain=True)
    for _ in range(3):
        x, y, s = rng.random(), rng.uniform(0.03, 0.4), rng.uniform(0.04, 0.055)
        t = s * 0.22
        pen.poly(
            [
                (x, y - s),
                (x + t, y - t),
                (x + s, y),
                (x + t, y + t),
                (x, y + s),
                (x - t, y + t),
                (x - s, y),
                (x - t, y - t),
            ],
            (255, 252, 226),
            plain=True,
        )
    x, y = rng.uniform(0.3, 0.8), rng.uniform(0.05, 0.2)
    pen.line([(x, y), (x - 0.2, y + 0.1)], 0.014, (255, 252, 226, 220))


def _aurora(pen: Pen, rng: Random) -> None:
    phase = rng.uniform(0, 6.28)
    for k, colour in enumerate(((70, 255, 170), (80, 230, 235), (190, 110, 255))):
        ridge = []
        for i in range(17):
            ridge.append((i / 16, 0.17 + 0.1 * k + 0.06 * math.sin(phase + i * 0.55 + k)))
        for lift, alpha in ((0.18, 60), (0.11, 90), (0.05, 130)):
            crest = [(x, y - lift) for x, y in reversed(ridge)]
            pen.poly([*ridge, *crest], (*colour, alpha))


def _fireworks(pen: Pen, rng: Random) -> None:
    for x, y in ((0.2, 0.2), (0.54, 0.14), (0.83, 0.24)):
        x, y = x + rng.uniform(-0.06, 0.06), y + rng.uniform(-0.04, 0.04)
        colour, reach = rng.choice([*BRIGHTS, WHITE]), rng.uniform(0.12, 0.18)
        for i in range(8):
            a = i * math.pi / 4
            c, s = math.cos(a), math.sin(a)
            pen.line([(x + 0.04 * c, y + 0.04 * s), (x + reach * c, y + reach * s)], 0.026, colour)
            pen.oval(x + reach * c, y + reach * s, 0.026, 0.026, WHITE, plain=True)


def _spotlights(pen: Pen, rng: Random) -> None:
    for x, colour in ((0.14, (255, 240, 140)), (0.5, (150, 240, 255)), (0.86, (255, 160, 240))):
        foot = x + rng.uniform(-0.2, 0.2)
        pen.poly(
            [(x - 0.03, 0), (x + 0.03, 0), (foot + 0.14, 0.9), (foot - 0.14, 0.9)], (*colour, 88)
        )
        pen.oval(foot, 0.9, 0.14, 0.035, (*colour, 90))
        pen.oval(x, 0.01, 0.045, 0.04, WHITE)


def _dark_clouds(pen: Pen, rng: Random, colour: Colour) -> None:
    for i in range(7):
        x = i / 6
        pen.oval(x, 0.03 + rng.uniform(0, 0.03), 0.13, 0.095, colour, plain=True)


def _lightning(pen: Pen, rng: Random) -> None:
    _dark_clouds(pen, rng, (54, 50, 66))
    for x in (rng.uniform(0.1, 0.35), rng.uniform(0.6, 0.9)):
        bolt = [
            (0, 0.08),
            (0.07, 0.08),
            (0.02, 0.19),
            (0.09, 0.19),
            (-0.06, 0.46),
            (-0.01, 0.25),
            (-0.07, 0.25),
        ]
        pen.glowing().poly([(x + dx, y) for dx, y in bolt], (255, 250, 180))


def _smoke(pen: Pen, rng: Random) -> None:
    for x in (0.12, 0.48, 0.86):
        x += rng.uniform(-0.06, 0.06)
        for k in range(8):
            r = 0.045 + 0.017 * k
            cx = x + 0.05 * math.sin(k * 0.9 + x * 9)
            pen.oval(cx, 0.56 - 0.078 * k, r, r, (40, 36, 40, 215))
            pen.oval(cx - r * 0.3, 0.56 - 0.078 * k - r * 0.3, r * 0.55, r * 0.5, (70, 66, 72, 190))


def _moon(pen: Pen, rng: Random) -> None:
    x, y = rng.choice((rng.uniform(0.14, 0.3), rng.uniform(0.7, 0.86))), 0.17
    for r, alpha in ((0.19, 45), (0.16, 75)):
        pen.oval(x, y, r, r, (240, 240, 210, alpha))
    pen.oval(x, y, 0.125, 0.125, (248, 244, 216), plain=True)
    for dx, dy, r in ((-0.04, -0.03, 0.026), (0.03, 0.04, 0.032), (0.05, -0.045, 0.018)):
        pen.oval(x + dx, y + dy, r, r, (214, 208, 180), plain=True)


def _haze(pen: Pen, rng: Random, colour: Colour) -> None:
    for _ in range(9):
        x, y = rng.random(), rng.uniform(0.05, 0.8)
        pen.oval(x, y, rng.uniform(0.24, 0.42), rng.uniform(0.04, 0.08), colour)


def _smog(pen: Pen, rng: Random) -> None:
    _haze(pen, rng, (206, 190, 70, 80))


def _fog(pen: Pen, rng: Random) -> None:
    for k in range(7):
        y, x = 0.28 + 0.09 * k + rng.uniform(-0.02, 0.02), rng.uniform(0.2, 0.8)
        pen.oval(x, y, 0.62, 0.055, (214, 220, 224, 64))
        pen.oval(1 - x, y + 0.045, 0.5, 0.04, (214, 220, 224, 58))


def _slanted(
    pen: Pen, rng: Random, count: int, length: float, width: float, colour: Colour
) -> None:
    for _ in range(count):
        x, y = rng.uniform(0, 1.1), rng.uniform(-0.05, 1)
        pen.line([(x, y), (x - length * 0.35, y + length)], width, colour)


def _drizzle(pen: Pen, rng: Random) -> None:
    _dark_clouds(pen, rng, (112, 104, 70))
    _slanted(pen, rng, 16, 0.1, 0.024, (124, 112, 44, 210))


def _rain(pen: Pen, rng: Random) -> None:
    _dark_clouds(pen, rng, (112, 118, 130))
    _slanted(pen, rng, 16, 0.18, 0.02, (206, 222, 242, 200))


def _snow(pen: Pen, rng: Random) -> None:
    for _ in range(24):
        r = rng.uniform(0.018, 0.026)
        pen.oval(rng.random(), rng.random(), r, r, (250, 252, 255), plain=True)


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
