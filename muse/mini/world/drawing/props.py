"""Props that the scene's light dims: on the ground (`GROUND`) or around the subject (`AROUND`)."""

from __future__ import annotations

import math
from collections.abc import Callable
from random import Random

from muse.mini.world.drawing.pen import BRIGHTS, WHITE, Painter, Pen


def _balloons(pen: Pen, rng: Random) -> None:
    for x, y in ((0.11, 0.3), (0.9, 0.42), (0.78, 0.22)):
        x, y = x + rng.uniform(-0.03, 0.03), y + rng.uniform(-0.06, 0.06)
        pen.curve([(x, y + 0.1), (x + 0.02, y + 0.2), (x, y + 0.3)], 0.012, WHITE)
        pen.oval(x, y, 0.085, 0.105, rng.choice(BRIGHTS))
        pen.oval(x - 0.03, y - 0.036, 0.02, 0.03, WHITE, plain=True)


def _bunting(pen: Pen, rng: Random) -> None:
    sag = rng.uniform(0.06, 0.1)
    rope = [(i / 6, 0.04 + sag * math.sin(math.pi * i / 6)) for i in range(7)]
    pen.line(rope, 0.014, WHITE)
    for i in range(6):
        (x0, y0), (x1, y1) = rope[i], rope[i + 1]
        pen.poly(
            [(x0 + 0.012, y0), (x1 - 0.012, y1), ((x0 + x1) / 2, (y0 + y1) / 2 + 0.15)],
            BRIGHTS[i % 5],
        )


def _confetti(pen: Pen, rng: Random) -> None:
    for _ in range(15):
        x, y, a, s = rng.random(), rng.random(), rng.uniform(0, 3.14), rng.uniform(0.032, 0.042)
        c, d = s * math.cos(a), s * math.sin(a)
        pen.poly(
            [(x + c, y + d), (x - d, y + c), (x - c, y - d), (x + d, y - c)],
            rng.choice(BRIGHTS),
            plain=True,
        )
    for x in (0.06, 0.94):
        wave = [(x + 0.03 * math.sin(k * 1.6), 0.05 + 0.09 * k) for k in range(6)]
        pen.curve(wave, 0.024, rng.choice(BRIGHTS))


def _birds(pen: Pen, rng: Random) -> None:
    cx, cy = rng.uniform(0.35, 0.65), rng.uniform(0.1, 0.2)
    for i in range(-2, 3):
        x, y = cx + 0.16 * i, cy + 0.07 * abs(i) + rng.uniform(-0.01, 0.01)
        pen.curve(
            [
                (x - 0.08, y - 0.03),
                (x - 0.036, y - 0.056),
                (x, y),
                (x + 0.036, y - 0.056),
                (x + 0.08, y - 0.03),
            ],
            0.026,
            WHITE,
        )


def _bed(rng: Random, draw: Callable[[float, float], None], count: int) -> None:
    for i in range(count):
        draw((i + 0.5) / count + rng.uniform(-0.03, 0.03), 0.96 + rng.uniform(-0.03, 0.03))


def _flowers(pen: Pen, rng: Random) -> None:
    def flower(x: float, y: float) -> None:
        colour = rng.choice([(255, 120, 160), (255, 210, 90), WHITE, (190, 130, 240)])
        pen.line([(x, y + 0.06), (x, y - 0.06)], 0.022, (60, 150, 60))
        for k in range(5):
            a = k * 2 * math.pi / 5
            pen.oval(x + 0.045 * math.cos(a), y - 0.09 + 0.045 * math.sin(a), 0.034, 0.034, colour)
        pen.oval(x, y - 0.09, 0.027, 0.027, (255, 190, 40), plain=True)

    _bed(rng, flower, 6)


def _butterflies(pen: Pen, rng: Random) -> None:
    for x, y in ((0.14, 0.36), (0.52, 0.14), (0.86, 0.42)):
        x, y = x + rng.uniform(-0.05, 0.05), y + rng.uniform(-0.05, 0.05)
        colour = rng.choice([(255, 150, 60), (120, 150, 255), (255, 220, 90), (250, 130, 200)])
        for side in (-1, 1):
            pen.oval(x + side * 0.06, y - 0.034, 0.058, 0.045, colour, turn=side * -0.5)
            pen.oval(x + side * 0.045, y + 0.042, 0.038, 0.038, colour)
        pen.oval(x, y, 0.015, 0.066, (60, 44, 40), plain=True)


def _flags(pen: Pen, rng: Random) -> None:
    for i, x in enumerate((0.06, 0.8)):
        top, colour = 0.3 + rng.uniform(-0.05, 0.05), BRIGHTS[(i + rng.randrange(2)) % 5]
        pen.rect(x - 0.015, top, x + 0.015, 0.93, (236, 236, 240))
        pen.blob(
            [
                (x, top),
                (x + 0.09, top + 0.03),
                (x + 0.19, top),
                (x + 0.19, top + 0.13),
                (x + 0.09, top + 0.16),
                (x, top + 0.13),
            ],
            colour,
        )


def _shards(pen: Pen, rng: Random) -> None:
    for _ in range(8):
        x, y, a, s = (
            rng.random(),
            rng.uniform(0.1, 0.98),
            rng.uniform(0, 6.28),
            rng.uniform(0.1, 0.14),
        )
        corners = []
        for turn, reach in ((0.0, 1.0), (1.9, 0.4), (-2.2, 0.5)):
            corners.append((x + s * reach * math.cos(a + turn), y + s * reach * math.sin(a + turn)))
        pen.poly(corners, (222, 240, 250))
        pen.line(corners[:2], 0.01, (96, 120, 146))


def _cracks(pen: Pen, rng: Random) -> None:
    for _ in range(6):
        x, y, a = rng.uniform(0.25, 0.75), 0.8, rng.uniform(0, 6.28)
        path = [(x, y)]
        for _ in range(5):
            a += rng.uniform(-0.7, 0.7)
            x, y = x + 0.12 * math.cos(a), min(1.0, max(0.62, y + 0.06 * math.sin(a)))
            path.append((x, y))
        pen.line(path, 0.024, (24, 14, 16))


def _flies(pen: Pen, rng: Random) -> None:
    for _ in range(7):
        x, y = rng.uniform(0.05, 0.95), rng.uniform(0.08, 0.85)
        for side in (-1, 1):
            pen.oval(
                x + side * 0.036, y - 0.03, 0.038, 0.022, (226, 234, 230, 235), turn=side * -0.5
            )
        pen.oval(x, y, 0.031, 0.038, (22, 24, 18), plain=True)


def _slime(pen: Pen, rng: Random) -> None:
    green, shine = (132, 204, 34), (216, 248, 126)
    pen.rect(-0.1, -0.1, 1.1, 0.04, green, plain=True)
    for i in range(6):
        x, drop = (i + 0.5) / 6 + rng.uniform(-0.02, 0.02), rng.uniform(0.08, 0.26)
        pen.blob(
            [
                (x - 0.08, 0.02),
                (x + 0.08, 0.02),
                (x + 0.042, drop),
                (x, drop + 0.05),
                (x - 0.042, drop),
            ],
            green,
        )
        pen.oval(x - 0.014, drop, 0.013, 0.026, shine, plain=True)
    for x, w in ((0.16, 0.17), (0.82, 0.2)):
        pen.oval(x, 0.95, w, 0.05, green)
        pen.oval(x - 0.04, 0.94, w * 0.3, 0.013, shine, plain=True)


def _rubbish(pen: Pen, rng: Random) -> None:
    for x in (0.1, 0.86):
        y = 0.97 + rng.uniform(-0.03, 0.02)
        pen.blob(
            [
                (x - 0.13, y),
                (x - 0.11, y - 0.14),
                (x, y - 0.2),
                (x + 0.11, y - 0.14),
                (x + 0.13, y),
            ],
            (48, 50, 58),
        )
        pen.poly([(x - 0.05, y - 0.25), (x + 0.05, y - 0.25), (x, y - 0.17)], (48, 50, 58))
        pen.oval(x - 0.05, y - 0.11, 0.02, 0.038, (126, 130, 140), plain=True)


def _bats(pen: Pen, rng: Random) -> None:
    wing = (
        (0, -0.1),
        (0.14, -0.3),
        (0.22, -0.16),
        (0.55, -0.5),
        (1, -0.1),
        (0.7, -0.08),
        (0.55, 0.2),
        (0.34, 0.02),
        (0.2, 0.3),
    )
    for x, y, s in (
        (0.16, 0.28, 0.16),
        (0.5, 0.12, 0.18),
        (0.84, 0.26, 0.17),
    ):
        x, y = x + rng.uniform(-0.05, 0.05), y + rng.uniform(-0.04, 0.04)
        right = [(x + s * u, y + s * v) for u, v in wing]
        left = [(x - s * u, y + s * v) for u, v in reversed(wing)]
        pen.poly([*right, (x, y + s * 0.4), *left], (14, 10, 20), plain=True)


def _cobwebs(pen: Pen, rng: Random) -> None:
    for cx, direction in ((0.0, 1), (1.0, -1)):
        reach, rays = rng.uniform(0.34, 0.44), []
        for i in range(4):
            a = i * math.pi / 6
            rays.append((direction * reach * math.cos(a), reach * math.sin(a)))
        for x, y in rays:
            pen.line([(cx, 0), (cx + x, y)], 0.016, (238, 240, 244))
        for k in (0.45, 0.85):
            pen.line([(cx + x * k, y * k) for x, y in rays], 0.016, (238, 240, 244))


def _leaves(pen: Pen, rng: Random) -> None:
    for _ in range(11):
        x, a = rng.random(), rng.uniform(0, 6.28)
        y = rng.uniform(0.3, 1) if rng.random() < 0.3 else rng.uniform(0.85, 1)
        colour = rng.choice([(176, 104, 50), (146, 82, 44), (196, 140, 66)])
        pen.oval(x, y, 0.07, 0.032, colour, turn=a)
        c, d = 0.068 * math.cos(a), 0.068 * math.sin(a)
        pen.line([(x - c, y - d), (x + c, y + d)], 0.011, (96, 60, 36))


def _puddles(pen: Pen, rng: Random) -> None:
    for x, y, w in ((0.16, 0.9, 0.15), (0.78, 0.95, 0.18), (0.5, 0.97, 0.11), (0.9, 0.8, 0.09)):
        x += rng.uniform(-0.04, 0.04)
        pen.oval(x, y, w, w * 0.24, (92, 108, 132), plain=True)
        pen.oval(x, y, w * 0.8, w * 0.17, (156, 174, 200), plain=True)
        pen.line([(x - w * 0.3, y), (x + w * 0.2, y)], 0.008, (232, 238, 246))


def _wilted(pen: Pen, rng: Random) -> None:
    def stalk(x: float, y: float) -> None:
        lean = rng.choice((-1, 1))
        pen.curve(
            [
                (x, y + 0.06),
                (x, y - 0.12),
                (x + lean * 0.05, y - 0.18),
                (x + lean * 0.09, y - 0.11),
            ],
            0.024,
            (110, 106, 70),
        )
        for turn in (-0.4, 0.4):
            pen.oval(x + lean * 0.094, y - 0.075, 0.028, 0.056, (134, 92, 106), turn=turn)

    _bed(rng, stalk, 5)


GROUND: dict[str, Painter] = {
    "cracks": _cracks,
    "puddles": _puddles,
}
AROUND: dict[str, Painter] = {
    "balloons": _balloons,
    "bunting": _bunting,
    "confetti": _confetti,
    "birds": _birds,
    "flowers": _flowers,
    "butterflies": _butterflies,
    "flags": _flags,
    "shards": _shards,
    "flies": _flies,
    "slime": _slime,
    "rubbish": _rubbish,
    "bats": _bats,
    "cobwebs": _cobwebs,
    "leaves": _leaves,
    "wilted": _wilted,
}
