"""Props that the light of the scene dims: around the subject or on the ground below it."""

from __future__ import annotations

import math
from collections.abc import Callable
from random import Random

from muse.mini.world.canvas import BRIGHTS, Painter, Pen


def _balloons(pen: Pen, rng: Random) -> None:
    for x, y in [(0.1, 0.4), (0.2, 0.3), (0.9, 0.36), (0.8, 0.46)]:
        x, y, colour = (
            x + rng.uniform(-0.03, 0.03),
            y + rng.uniform(-0.06, 0.06),
            rng.choice(BRIGHTS[:5]),
        )
        pen.line([(x, y), (x + 0.015, y + 0.24)], 0.006, (240, 240, 240))
        pen.oval(x, y, 0.052, 0.066, colour)
        pen.oval(x - 0.018, y - 0.022, 0.012, 0.018, (255, 255, 255))


def _bunting(pen: Pen, rng: Random) -> None:
    for base in (0.03, 0.17):
        sag = rng.uniform(0.07, 0.11)
        rope = [(i / 10, base + sag * math.sin(math.pi * i / 10)) for i in range(11)]
        pen.line(rope, 0.008, (250, 250, 250))
        for i in range(10):
            (x0, y0), (x1, y1) = rope[i], rope[i + 1]
            pen.poly(
                [(x0 + 0.01, y0), (x1 - 0.01, y1), ((x0 + x1) / 2, (y0 + y1) / 2 + 0.085)],
                BRIGHTS[i % 5],
            )


def _confetti(pen: Pen, rng: Random) -> None:
    for _ in range(40):
        x, y, a, s = rng.random(), rng.random(), rng.uniform(0, 3.14), rng.uniform(0.02, 0.028)
        c, d = s * math.cos(a), s * math.sin(a)
        pen.poly(
            [(x + c, y + d), (x - d, y + c), (x - c, y - d), (x + d, y - c)], rng.choice(BRIGHTS)
        )


def _birds(pen: Pen, rng: Random) -> None:
    cx, cy = rng.uniform(0.35, 0.65), rng.uniform(0.14, 0.24)
    for i in range(-3, 4):
        x, y = cx + 0.09 * i, cy + 0.04 * abs(i) + rng.uniform(-0.01, 0.01)
        pen.line([(x - 0.045, y - 0.028), (x, y), (x + 0.045, y - 0.028)], 0.021, (250, 250, 250))


def _bed(pen: Pen, rng: Random, draw: Callable[[float, float], None], count: int = 9) -> None:
    for i in range(count):
        draw((i + 0.5) / count + rng.uniform(-0.03, 0.03), 0.95 + rng.uniform(-0.03, 0.03))


def _flowers(pen: Pen, rng: Random) -> None:
    def flower(x: float, y: float) -> None:
        colour = rng.choice([(255, 120, 160), (255, 210, 90), (250, 250, 250), (190, 130, 240)])
        pen.line([(x, y + 0.06), (x, y - 0.06)], 0.012, (60, 150, 60))
        for k in range(5):
            a = k * 2 * math.pi / 5
            pen.oval(x + 0.026 * math.cos(a), y - 0.07 + 0.026 * math.sin(a), 0.02, 0.02, colour)
        pen.oval(x, y - 0.07, 0.015, 0.015, (255, 190, 40))

    _bed(pen, rng, flower)


def _butterflies(pen: Pen, rng: Random) -> None:
    for x, y in [(0.14, 0.42), (0.3, 0.24), (0.7, 0.3), (0.88, 0.5), (0.5, 0.14)]:
        x, y = x + rng.uniform(-0.05, 0.05), y + rng.uniform(-0.05, 0.05)
        colour = rng.choice([(255, 150, 60), (120, 150, 255), (255, 220, 90), (250, 130, 200)])
        for side in (-1, 1):
            pen.oval(x + side * 0.03, y - 0.018, 0.028, 0.03, colour)
            pen.oval(x + side * 0.024, y + 0.024, 0.02, 0.022, colour)
        pen.oval(x, y, 0.008, 0.036, (60, 44, 40))


def _flags(pen: Pen, rng: Random) -> None:
    for i, x in enumerate((0.05, 0.2, 0.76, 0.91)):
        top, colour = 0.3 + rng.uniform(-0.05, 0.05), BRIGHTS[i % 4]
        pen.rect(x - 0.011, top, x + 0.011, 0.92, (236, 236, 240))
        pen.poly(
            [
                (x, top),
                (x + 0.06, top + 0.025),
                (x + 0.12, top),
                (x + 0.12, top + 0.085),
                (x + 0.06, top + 0.11),
                (x, top + 0.085),
            ],
            colour,
        )


def _shards(pen: Pen, rng: Random) -> None:
    for _ in range(15):
        x, y, a, s = (
            rng.random(),
            rng.uniform(0.1, 0.98),
            rng.uniform(0, 6.28),
            rng.uniform(0.065, 0.11),
        )
        tip = (x + s * math.cos(a), y + s * math.sin(a))
        b, c = a + 1.9, a - 2.2
        edge = (x + s * 0.4 * math.cos(b), y + s * 0.4 * math.sin(b))
        pen.poly(
            [tip, edge, (x + s * 0.5 * math.cos(c), y + s * 0.5 * math.sin(c))], (226, 240, 248)
        )
        pen.line([tip, edge], 0.008, (90, 110, 130))


def _cracks(pen: Pen, rng: Random) -> None:
    for _ in range(6):
        x, y = rng.uniform(0.3, 0.7), 0.72
        a, path = rng.uniform(0, 6.28), [(rng.uniform(0.3, 0.7), 0.78)]
        for _ in range(5):
            a += rng.uniform(-0.7, 0.7)
            x, y = (
                path[-1][0] + 0.12 * math.cos(a),
                min(1.0, max(0.6, path[-1][1] + 0.06 * math.sin(a))),
            )
            path.append((x, y))
        pen.line(path, 0.022, (16, 8, 8))


def _flies(pen: Pen, rng: Random) -> None:
    for _ in range(14):
        x, y = rng.uniform(0.05, 0.95), rng.uniform(0.1, 0.85)
        for side in (-1, 1):
            pen.oval(x + side * 0.022, y - 0.018, 0.02, 0.013, (226, 232, 226, 230))
        pen.oval(x, y, 0.019, 0.021, (18, 20, 14))


def _slime(pen: Pen, rng: Random) -> None:
    green, shine = (122, 196, 24), (206, 244, 110)
    pen.rect(0, 0, 1, 0.03, green)
    for i in range(9):
        x, drop = (i + 0.5) / 9 + rng.uniform(-0.02, 0.02), rng.uniform(0.06, 0.24)
        pen.rect(x - 0.026, 0, x + 0.026, drop, green)
        pen.oval(x, drop, 0.032, 0.038, green)
        pen.oval(x - 0.01, drop, 0.008, 0.014, shine)
    for x, w in [(0.16, 0.17), (0.8, 0.2)]:
        pen.oval(x, 0.95, w, 0.05, green)
        pen.oval(x - 0.04, 0.94, w * 0.3, 0.012, shine)


def _rubbish(pen: Pen, rng: Random) -> None:
    for x in (0.08, 0.22, 0.8, 0.93):
        y = 0.95 + rng.uniform(-0.03, 0.02)
        pen.oval(x, y - 0.05, 0.075, 0.075, (40, 42, 46))
        pen.poly([(x - 0.03, y - 0.11), (x, y - 0.16), (x + 0.03, y - 0.11)], (40, 42, 46))
        pen.oval(x - 0.03, y - 0.07, 0.012, 0.022, (110, 114, 120))
    for _ in range(6):
        x, y = rng.random(), rng.uniform(0.9, 0.99)
        pen.line([(x - 0.04, y), (x + 0.04, y - 0.01)], 0.01, (234, 226, 200))
        for k in (-0.02, 0, 0.02):
            pen.line([(x + k, y - 0.022), (x + k, y + 0.018)], 0.007, (234, 226, 200))


def _bats(pen: Pen, rng: Random) -> None:
    for x, y, s in [
        (0.16, 0.22, 0.11),
        (0.46, 0.12, 0.13),
        (0.78, 0.26, 0.12),
        (0.9, 0.08, 0.08),
        (0.3, 0.4, 0.08),
    ]:
        x, y = x + rng.uniform(-0.05, 0.05), y + rng.uniform(-0.04, 0.04)
        wing = [
            (0, -0.1),
            (0.14, -0.3),
            (0.22, -0.16),
            (0.55, -0.5),
            (1, -0.1),
            (0.7, -0.08),
            (0.55, 0.2),
            (0.34, 0.02),
            (0.2, 0.3),
        ]
        left = [(x - s * u, y + s * v) for u, v in wing]
        pen.poly(
            [*[(x + s * u, y + s * v) for u, v in wing], (x, y + s * 0.4), *reversed(left)],
            (8, 6, 12),
        )


def _cobwebs(pen: Pen, rng: Random) -> None:
    silk = (232, 236, 240, 235)
    for cx, direction in ((0.0, 1), (1.0, -1)):
        reach, spokes = rng.uniform(0.36, 0.46), [i * math.pi / 10 for i in range(6)]
        for a in spokes:
            pen.line(
                [(cx, 0), (cx + direction * reach * math.cos(a), reach * math.sin(a))], 0.012, silk
            )
        for k in (0.3, 0.55, 0.8):
            pen.line(
                [
                    (cx + direction * reach * k * math.cos(a), reach * k * math.sin(a))
                    for a in spokes
                ],
                0.012,
                silk,
            )


def _leaves(pen: Pen, rng: Random) -> None:
    for _ in range(22):
        x, y, a = (
            rng.random(),
            rng.uniform(0.3, 1) if rng.random() < 0.3 else rng.uniform(0.84, 1),
            rng.uniform(0, 6.28),
        )
        c, d = 0.042 * math.cos(a), 0.042 * math.sin(a)
        colour = rng.choice([(170, 100, 46), (142, 78, 40), (190, 134, 60)])
        pen.poly(
            [
                (x + c, y + d),
                (x - d * 0.5, y + c * 0.5),
                (x - c, y - d),
                (x + d * 0.5, y - c * 0.5),
            ],
            colour,
        )


def _puddles(pen: Pen, rng: Random) -> None:
    for x, y, w in [(0.16, 0.9, 0.15), (0.78, 0.95, 0.18), (0.5, 0.97, 0.11), (0.9, 0.8, 0.09)]:
        x += rng.uniform(-0.04, 0.04)
        pen.oval(x, y, w, w * 0.24, (86, 100, 122))
        pen.oval(x, y, w * 0.8, w * 0.17, (150, 166, 190))
        pen.ring(x, y, w * 0.12, 0.006, (226, 232, 240))


def _wilted(pen: Pen, rng: Random) -> None:
    def stalk(x: float, y: float) -> None:
        lean = rng.choice((-1, 1))
        pen.line(
            [
                (x, y + 0.06),
                (x, y - 0.1),
                (x + lean * 0.035, y - 0.13),
                (x + lean * 0.06, y - 0.085),
            ],
            0.014,
            (96, 92, 60),
        )
        pen.oval(x + lean * 0.062, y - 0.06, 0.026, 0.036, (124, 84, 96))

    _bed(pen, rng, stalk, 8)


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
GROUND: dict[str, Painter] = {
    "cracks": _cracks,
    "puddles": _puddles,
}
