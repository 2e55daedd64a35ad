"""Vehicles: subjects drawn about 1 unit tall, standing on y = 0, centred on x = 0."""

from __future__ import annotations

import math
from random import Random

from muse.mini.world.drawing.pen import INK, WHITE, Painter, Pen

GLASS = (186, 226, 246)
STEEL = (150, 154, 166)


def _wheel(pen: Pen, x: float, y: float, r: float) -> None:
    pen.oval(x, y, r, r, (40, 40, 46))
    pen.oval(x, y, r * 0.5, r * 0.5, (206, 208, 214), plain=True)


def _car(pen: Pen, rng: Random) -> None:
    paint = rng.choice([(214, 50, 50), (50, 120, 200), (240, 180, 40)])
    pen.blob(
        [(-0.5, -0.36), (-0.36, -0.64), (-0.2, -0.74), (0.16, -0.74), (0.32, -0.62), (0.5, -0.36)],
        paint,
    )
    pen.poly([(-0.38, -0.4), (-0.26, -0.64), (-0.05, -0.66), (-0.05, -0.4)], GLASS)
    pen.poly([(0.03, -0.4), (0.03, -0.66), (0.18, -0.64), (0.36, -0.4)], GLASS)
    pen.blob(
        [(-0.82, -0.14), (-0.8, -0.36), (-0.4, -0.44), (0.5, -0.42), (0.84, -0.32), (0.84, -0.14)],
        paint,
    )
    pen.rect(-0.84, -0.17, 0.86, -0.11, (80, 82, 90))
    pen.oval(0.76, -0.29, 0.06, 0.06, (255, 244, 180))
    pen.oval(-0.78, -0.29, 0.04, 0.06, (255, 90, 80))
    pen.line([(-0.02, -0.4), (-0.02, -0.16)], 0.02, INK)
    for x in (-0.46, 0.48):
        _wheel(pen, x, -0.14, 0.18)


def _bicycle(pen: Pen, rng: Random) -> None:
    frame = rng.choice([(30, 150, 180), (220, 60, 70), (70, 170, 80)])
    for x in (-0.5, 0.5):
        pen.ring(x, -0.34, 0.32, 0.075, (44, 44, 50))
        for i in range(4):
            a = i * math.pi / 4
            c, s = 0.29 * math.cos(a), 0.29 * math.sin(a)
            pen.line([(x - c, -0.34 - s), (x + c, -0.34 + s)], 0.018, STEEL)
    for bar in (
        [(-0.5, -0.34), (-0.2, -0.76), (0.34, -0.76), (0.5, -0.34)],
        [(-0.5, -0.34), (0.02, -0.32), (-0.22, -0.84)],
        [(0.02, -0.32), (0.34, -0.76)],
        [(0.34, -0.76), (0.3, -0.98), (0.48, -1.02)],
    ):
        pen.line(bar, 0.065, frame)
    pen.rect(-0.36, -0.92, -0.08, -0.84, INK)
    pen.oval(0.02, -0.32, 0.09, 0.09, (60, 60, 66))


def _boat(pen: Pen, rng: Random) -> None:
    sail = rng.choice([(240, 120, 60), (70, 140, 210), (230, 70, 90)])
    pen.line([(0, -1.16), (0, -0.26)], 0.05, (120, 80, 50))
    pen.blob([(0.06, -1.1), (0.3, -0.76), (0.6, -0.36), (0.06, -0.36)], WHITE)
    pen.poly([(-0.05, -1.02), (-0.05, -0.36), (-0.5, -0.36)], sail)
    pen.blob([(-0.76, -0.3), (0.76, -0.3), (0.54, -0.02), (0, 0.02), (-0.54, -0.02)], (150, 92, 52))
    pen.rect(-0.72, -0.3, 0.72, -0.22, WHITE)


def _canoe(pen: Pen, rng: Random) -> None:
    paint = rng.choice([(200, 70, 50), (60, 140, 90), (226, 160, 50)])
    pen.line([(-0.5, -0.86), (0.36, -0.06)], 0.05, (176, 124, 70))
    pen.oval(-0.56, -0.9, 0.09, 0.16, (176, 124, 70), turn=-0.8)
    pen.blob(
        [
            (-0.9, -0.52),
            (-0.6, -0.3),
            (0.6, -0.3),
            (0.9, -0.52),
            (0.72, -0.08),
            (0, 0),
            (-0.72, -0.08),
        ],
        paint,
    )
    pen.curve([(-0.84, -0.44), (-0.5, -0.26), (0.5, -0.26), (0.84, -0.44)], 0.05, WHITE)
    pen.curve([(-0.74, -0.2), (0, -0.1), (0.74, -0.2)], 0.035, WHITE)


def _airplane(pen: Pen, rng: Random) -> None:
    stripe = rng.choice([(50, 110, 200), (220, 60, 60), (250, 150, 40)])
    pen.poly([(-0.66, -0.5), (-0.9, -0.94), (-0.7, -0.94), (-0.4, -0.56)], stripe)
    pen.blob(
        [(-0.8, -0.48), (-0.4, -0.62), (0.5, -0.62), (0.86, -0.46), (0.6, -0.3), (-0.5, -0.32)],
        WHITE,
    )
    pen.curve([(-0.7, -0.42), (0, -0.4), (0.76, -0.42)], 0.05, stripe)
    pen.poly([(-0.1, -0.42), (0.24, -0.42), (-0.2, -0.04), (-0.44, -0.04)], (206, 210, 220))
    for i in range(6):
        pen.oval(-0.36 + 0.16 * i, -0.51, 0.04, 0.045, (70, 120, 170), plain=True)
    pen.poly([(0.62, -0.56), (0.76, -0.5), (0.64, -0.48)], (70, 120, 170), plain=True)


PAINTERS: dict[str, Painter] = {
    "car": _car,
    "bicycle": _bicycle,
    "boat": _boat,
    "canoe": _canoe,
    "airplane": _airplane,
}
