"""The sixteen subjects of the embedded world, drawn about 1 unit tall, standing on y = 0, centred on x = 0."""

from __future__ import annotations

import math
from random import Random

from muse.mini.world.canvas import Colour, Painter, Pen

INK = (36, 30, 34)


def _legs(pen: Pen, xs: tuple[float, ...], top: float, width: float, colour: Colour) -> None:
    for x in xs:
        pen.rect(x - width, top, x + width, 0, colour)


def _dog(pen: Pen, rng: Random) -> None:
    coat = rng.choice([(176, 116, 62), (196, 140, 84), (150, 96, 54)])
    dark = (96, 58, 34)
    _legs(pen, (-0.36, -0.24, 0.16, 0.28), -0.34, 0.05, coat)
    pen.oval(-0.04, -0.42, 0.42, 0.17, coat)
    pen.line([(-0.42, -0.46), (-0.58, -0.72)], 0.07, coat)
    pen.poly([(0.2, -0.5), (0.36, -0.84), (0.5, -0.5), (0.3, -0.36)], coat)
    pen.oval(0.42, -0.76, 0.18, 0.15, coat)
    pen.oval(0.6, -0.71, 0.12, 0.08, coat)
    pen.oval(0.69, -0.73, 0.045, 0.04, INK)
    pen.oval(0.3, -0.72, 0.075, 0.17, dark)
    pen.oval(0.47, -0.81, 0.03, 0.03, INK)
    pen.rect(0.24, -0.6, 0.46, -0.54, (214, 40, 44))


def _cat(pen: Pen, rng: Random) -> None:
    coat = rng.choice([(70, 70, 78), (52, 50, 58), (92, 90, 98)])
    pen.oval(0, -0.3, 0.27, 0.31, coat)
    pen.line([(0.2, -0.08), (0.46, -0.12), (0.5, -0.42), (0.42, -0.56)], 0.08, coat)
    pen.oval(0, -0.7, 0.24, 0.2, coat)
    for side in (-1, 1):
        pen.poly([(side * 0.23, -0.98), (side * 0.05, -0.84), (side * 0.22, -0.68)], coat)
        pen.oval(side * 0.09, -0.73, 0.055, 0.06, (150, 220, 90))
        pen.oval(side * 0.09, -0.73, 0.018, 0.05, INK)
        pen.oval(side * 0.12, -0.03, 0.09, 0.05, coat)
    pen.oval(0, -0.65, 0.03, 0.022, (236, 150, 160))
    pen.oval(0, -0.3, 0.12, 0.17, (232, 230, 232))


def _horse(pen: Pen, rng: Random) -> None:
    coat, mane = rng.choice([(232, 228, 220), (216, 208, 196)]), (120, 92, 70)
    _legs(pen, (-0.36, -0.26, 0.2, 0.3), -0.44, 0.04, coat)
    for x in (-0.36, -0.26, 0.2, 0.3):
        pen.rect(x - 0.045, -0.07, x + 0.045, 0, mane)
    pen.oval(-0.04, -0.53, 0.42, 0.18, coat)
    pen.poly([(0.16, -0.6), (0.38, -1.02), (0.54, -0.98), (0.4, -0.46)], coat)
    pen.poly([(0.36, -1.06), (0.54, -1.04), (0.74, -0.84), (0.66, -0.76), (0.42, -0.86)], coat)
    pen.poly([(0.4, -1.0), (0.4, -1.16), (0.47, -1.04)], coat)
    pen.line([(0.36, -1.06), (0.26, -0.86), (0.12, -0.66)], 0.1, mane)
    pen.line([(-0.42, -0.6), (-0.56, -0.5), (-0.56, -0.2)], 0.09, mane)
    pen.oval(0.52, -0.96, 0.024, 0.024, INK)


def _duck(pen: Pen, rng: Random) -> None:
    body = (248, 214, 50)
    pen.poly([(-0.3, -0.4), (-0.62, -0.56), (-0.46, -0.2)], body)
    pen.oval(-0.02, -0.28, 0.44, 0.26, body)
    pen.oval(0.26, -0.68, 0.2, 0.2, body)
    pen.poly([(0.1, -0.6), (0.42, -0.6), (0.36, -0.3), (0.0, -0.36)], body)
    pen.poly([(0.42, -0.74), (0.68, -0.64), (0.42, -0.57)], (240, 120, 30))
    pen.oval(0.31, -0.73, 0.036, 0.036, INK)
    pen.oval(-0.08, -0.3, 0.24, 0.13, (222, 178, 30))
    for x in (-0.06, 0.12):
        pen.rect(x, -0.06, x + 0.05, 0.02, (240, 120, 30))


def _snake(pen: Pen, rng: Random) -> None:
    skin, stripe = (66, 150, 58), (236, 216, 70)
    for i, (rx, y) in enumerate([(0.44, -0.1), (0.34, -0.25), (0.23, -0.38)]):
        pen.oval(0, y, rx, 0.11, skin)
        pen.oval(0, y + 0.02, rx * 0.7, 0.035, stripe if i % 2 == 0 else (44, 110, 42))
    pen.line([(0.08, -0.4), (-0.06, -0.58), (0.1, -0.74), (0.22, -0.88)], 0.13, skin)
    pen.oval(0.28, -0.9, 0.17, 0.11, skin)
    pen.oval(0.33, -0.94, 0.035, 0.035, (250, 240, 120))
    pen.oval(0.335, -0.94, 0.014, 0.026, INK)
    pen.line([(0.44, -0.88), (0.56, -0.87), (0.63, -0.92)], 0.022, (220, 30, 50))
    pen.line([(0.56, -0.87), (0.63, -0.82)], 0.022, (220, 30, 50))


def _spider(pen: Pen, rng: Random) -> None:
    body = (44, 36, 44)
    for side in (-1, 1):
        for knee, foot in [((0.34, -0.84), (0.62, -0.62)), ((0.46, -0.66), (0.72, -0.26)),
                           ((0.44, -0.48), (0.68, -0.02)), ((0.34, -0.34), (0.42, 0.02))]:  # fmt: skip
            pen.line(
                [(side * 0.1, -0.46), (side * knee[0], knee[1]), (side * foot[0], foot[1])],
                0.05,
                body,
            )
    pen.oval(0, -0.36, 0.27, 0.29, body)
    pen.oval(0, -0.66, 0.16, 0.14, body)
    pen.poly([(-0.08, -0.5), (0.08, -0.5), (-0.08, -0.22), (0.08, -0.22)], (214, 40, 44))
    for x in (-0.07, 0.07):
        pen.oval(x, -0.7, 0.032, 0.032, (250, 80, 60))


def _car(pen: Pen, rng: Random) -> None:
    paint = rng.choice([(206, 44, 44), (190, 36, 52), (224, 66, 44)])
    pen.poly([(-0.44, -0.36), (-0.28, -0.64), (0.22, -0.64), (0.42, -0.36)], paint)
    pen.poly([(-0.36, -0.37), (-0.25, -0.58), (-0.05, -0.58), (-0.05, -0.37)], (190, 226, 244))
    pen.poly([(0.02, -0.37), (0.02, -0.58), (0.19, -0.58), (0.33, -0.37)], (190, 226, 244))
    pen.poly(
        [
            (-0.72, -0.12),
            (-0.72, -0.3),
            (-0.62, -0.38),
            (0.58, -0.38),
            (0.74, -0.28),
            (0.74, -0.12),
        ],
        paint,
    )
    pen.oval(0.68, -0.27, 0.045, 0.045, (255, 240, 160))
    pen.rect(-0.74, -0.16, 0.76, -0.11, (70, 70, 76))
    for x in (-0.42, 0.42):
        pen.oval(x, -0.12, 0.15, 0.15, (34, 34, 38))
        pen.oval(x, -0.12, 0.065, 0.065, (200, 200, 206))


def _bicycle(pen: Pen, rng: Random) -> None:
    frame = rng.choice([(40, 160, 190), (30, 140, 180), (50, 180, 190)])
    for x in (-0.42, 0.42):
        pen.ring(x, -0.28, 0.28, 0.075, (40, 40, 46))
        for i in range(4):
            a = i * math.pi / 4
            c, s = 0.25 * math.cos(a), 0.25 * math.sin(a)
            pen.line([(x - c, -0.28 - s), (x + c, -0.28 + s)], 0.02, (130, 130, 138))
    bars = [[(-0.42, -0.28), (-0.18, -0.66), (0.3, -0.66), (0.42, -0.28)], [(-0.42, -0.28), (0.0, -0.26), (-0.18, -0.66)],
            [(0.0, -0.26), (0.3, -0.66)], [(0.3, -0.66), (0.27, -0.84), (0.4, -0.88)], [(-0.18, -0.66), (-0.2, -0.76)]]  # fmt: skip
    for bar in bars:
        pen.line(bar, 0.055, frame)
    pen.rect(-0.32, -0.82, -0.08, -0.75, INK)


def _boat(pen: Pen, rng: Random) -> None:
    pen.rect(-0.02, -1.02, 0.03, -0.26, (120, 80, 50))
    pen.poly([(0.06, -1.0), (0.06, -0.34), (0.52, -0.34)], (250, 248, 240))
    pen.poly([(-0.05, -0.92), (-0.05, -0.34), (-0.4, -0.34)], (240, 130, 60))
    pen.poly([(-0.64, -0.28), (0.64, -0.28), (0.44, 0.0), (-0.46, 0.0)], (140, 84, 46))
    pen.rect(-0.62, -0.28, 0.62, -0.2, (242, 236, 224))


def _house(pen: Pen, rng: Random) -> None:
    wall = (238, 220, 186)
    pen.rect(0.22, -0.98, 0.34, -0.66, (150, 80, 66))
    pen.rect(-0.44, -0.56, 0.44, 0, wall)
    pen.poly([(-0.56, -0.54), (0, -0.98), (0.56, -0.54)], (170, 62, 50))
    pen.rect(-0.1, -0.34, 0.1, 0, (110, 70, 44))
    for x in (-0.28, 0.28):
        pen.rect(x - 0.1, -0.44, x + 0.1, -0.22, (120, 180, 220))
        pen.rect(x - 0.012, -0.44, x + 0.012, -0.22, (250, 250, 250))
        pen.rect(x - 0.1, -0.34, x + 0.1, -0.32, (250, 250, 250))


def _umbrella(pen: Pen, rng: Random) -> None:
    one, two = rng.choice([((150, 70, 200), (240, 220, 250)), ((130, 60, 190), (232, 214, 246))])
    pen.line([(0, -0.94), (0, -0.06), (-0.06, 0), (-0.13, -0.05)], 0.045, (80, 60, 50))
    edges = [-0.58, -0.35, -0.12, 0.12, 0.35, 0.58]
    for i in range(5):
        a, b = edges[i], edges[i + 1]
        arc = [
            (x, -0.52 - 0.42 * math.sqrt(max(0.0, 1 - (x / 0.58) ** 2)))
            for x in (a, (a + b) / 2, b)
        ]
        pen.poly([(0, -0.94), *arc, ((a + b) / 2, -0.57)], one if i % 2 == 0 else two)
        pen.poly([*arc, ((a + b) / 2, -0.57)], one if i % 2 == 0 else two)


def _guitar(pen: Pen, rng: Random) -> None:
    body = rng.choice([(216, 132, 50), (200, 112, 40)])
    pen.oval(0, -0.22, 0.29, 0.24, body)
    pen.oval(0, -0.5, 0.21, 0.18, body)
    pen.rect(-0.045, -1.02, 0.045, -0.4, (84, 52, 32))
    pen.rect(-0.085, -1.14, 0.085, -0.98, (60, 38, 26))
    pen.oval(0, -0.42, 0.085, 0.085, (50, 30, 22))
    pen.rect(-0.12, -0.18, 0.12, -0.14, (60, 38, 26))
    for x in (-0.02, 0.02):
        pen.line([(x, -1.0), (x, -0.16)], 0.018, (240, 240, 230))


def _bench(pen: Pen, rng: Random) -> None:
    wood = rng.choice([(150, 96, 52), (164, 108, 62)])
    for y in (-0.66, -0.52, -0.38):
        pen.rect(-0.64, y, 0.64, y + 0.09, wood)
    pen.poly([(-0.7, -0.2), (-0.62, -0.3), (0.62, -0.3), (0.7, -0.2)], wood)
    pen.rect(-0.7, -0.2, 0.7, -0.14, (110, 68, 36))
    for x in (-0.52, 0.52):
        pen.rect(x - 0.04, -0.7, x + 0.04, -0.28, (60, 62, 68))
        pen.rect(x - 0.045, -0.16, x + 0.045, 0, (60, 62, 68))


def _skull(pen: Pen, rng: Random) -> None:
    bone = (240, 234, 216)
    pen.oval(0, -0.58, 0.38, 0.36, bone)
    pen.rect(-0.22, -0.36, 0.22, -0.04, bone)
    for side in (-1, 1):
        pen.oval(side * 0.16, -0.53, 0.115, 0.125, INK)
    pen.poly([(0, -0.42), (-0.06, -0.29), (0.06, -0.29)], INK)
    for x in (-0.15, -0.05, 0.05, 0.15):
        pen.rect(x - 0.012, -0.2, x + 0.012, -0.04, INK)


def _pumpkin(pen: Pen, rng: Random) -> None:
    for x, rx, colour in [(-0.3, 0.22, (226, 110, 20)), (0.3, 0.22, (226, 110, 20)), (-0.14, 0.24, (240, 132, 30)),
                          (0.14, 0.24, (240, 132, 30)), (0, 0.16, (250, 150, 46))]:  # fmt: skip
        pen.oval(x, -0.36, rx, 0.36, colour)
    pen.poly([(-0.05, -0.68), (-0.02, -0.9), (0.08, -0.88), (0.06, -0.68)], (70, 110, 40))
    for side in (-1, 1):
        pen.poly([(side * 0.08, -0.4), (side * 0.26, -0.4), (side * 0.17, -0.55)], (60, 30, 14))
    pen.poly(
        [(-0.26, -0.28), (-0.1, -0.22), (0.1, -0.22), (0.26, -0.28), (0.12, -0.1), (-0.12, -0.1)],
        (60, 30, 14),
    )


def _cake(pen: Pen, rng: Random) -> None:
    pen.oval(0, -0.03, 0.56, 0.06, (226, 226, 232))
    pen.rect(-0.44, -0.36, 0.44, -0.03, (250, 176, 196))
    pen.rect(-0.44, -0.22, 0.44, -0.16, (255, 250, 244))
    pen.rect(-0.3, -0.64, 0.3, -0.36, (255, 246, 236))
    for i in range(5):
        pen.oval(-0.24 + 0.12 * i, -0.61, 0.065, 0.075, (232, 84, 130))
    for i in range(7):
        pen.oval(-0.36 + 0.12 * i, -0.34, 0.065, 0.065, (255, 250, 244))
    for x in (-0.14, 0.14):
        pen.rect(x - 0.02, -0.84, x + 0.02, -0.66, (90, 160, 230))
        pen.oval(x, -0.89, 0.03, 0.05, (255, 210, 60))


PAINTERS: dict[str, Painter] = {
    "dog": _dog,
    "cat": _cat,
    "horse": _horse,
    "duck": _duck,
    "snake": _snake,
    "spider": _spider,
    "car": _car,
    "bicycle": _bicycle,
    "boat": _boat,
    "house": _house,
    "umbrella": _umbrella,
    "guitar": _guitar,
    "bench": _bench,
    "skull": _skull,
    "pumpkin": _pumpkin,
    "cake": _cake,
}
