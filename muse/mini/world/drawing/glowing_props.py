"""Props that glow: the light of the scene does not change their colours."""

from __future__ import annotations

import math
from random import Random

from muse.mini.world.drawing.pen import INK, Painter, Pen


def _sky_lamps(pen: Pen, rng: Random) -> None:
    for x, y in (
        (0.1, 0.44),
        (0.3, 0.2),
        (0.64, 0.14),
        (0.9, 0.4),
    ):
        x, y = x + rng.uniform(-0.04, 0.04), y + rng.uniform(-0.05, 0.05)
        pen.oval(x, y, 0.11, 0.12, (255, 200, 90, 80))
        pen.blob(
            [
                (x - 0.056, y - 0.05),
                (x, y - 0.082),
                (x + 0.056, y - 0.05),
                (x + 0.04, y + 0.074),
                (x - 0.04, y + 0.074),
            ],
            (255, 196, 90),
        )
        pen.rect(x - 0.023, y + 0.02, x + 0.023, y + 0.07, (255, 250, 206), plain=True)


def _sparkles(pen: Pen, rng: Random) -> None:
    for _ in range(8):
        x, y, s = rng.random(), rng.uniform(0.05, 0.95), rng.uniform(0.06, 0.085)
        t = s * 0.2
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
            (255, 250, 214),
            plain=True,
        )


def _candles(pen: Pen, rng: Random) -> None:
    for x in (0.1, 0.9):
        h, y = rng.uniform(0.18, 0.24), 0.98
        pen.oval(x, y - h - 0.06, 0.1, 0.11, (255, 206, 96, 90))
        pen.rect(x - 0.044, y - h, x + 0.044, y, (250, 242, 220))
        pen.line([(x, y - h), (x, y - h - 0.02)], 0.013, INK)
        pen.oval(x, y - h - 0.06, 0.027, 0.056, (255, 186, 50), plain=True)


def _sparks(pen: Pen, rng: Random) -> None:
    for _ in range(12):
        a, r = rng.uniform(-3.0, -0.14), rng.uniform(0.32, 0.74)
        x, y = 0.5 + r * math.cos(a), 0.9 + r * math.sin(a)
        tip = (x + 0.1 * math.cos(a), y + 0.1 * math.sin(a))
        pen.line([(x, y), tip], 0.03, rng.choice([(255, 224, 96), (255, 166, 46)]))


def _flames(pen: Pen, rng: Random) -> None:
    for i in range(6):
        x = i / 5 + rng.uniform(-0.03, 0.03)
        h = rng.uniform(0.17, 0.34) * (0.6 if 0.3 < x < 0.7 else 1.1)
        for w, k, colour in (
            (0.12, 1.0, (255, 96, 20)),
            (0.08, 0.68, (255, 176, 44)),
            (0.042, 0.38, (255, 244, 156)),
        ):
            pen.blob(
                [
                    (x - w, 1.04),
                    (x - w * 0.8, 1 - h * k * 0.45),
                    (x, 1 - h * k),
                    (x + w * 0.7, 1 - h * k * 0.5),
                    (x + w, 1.04),
                ],
                colour,
            )


def _eyes(pen: Pen, rng: Random) -> None:
    for x, y in ((0.14, 0.34), (0.86, 0.36), (0.13, 0.76), (0.88, 0.74)):
        x, y = x + rng.uniform(-0.04, 0.04), y + rng.uniform(-0.04, 0.04)
        pen.oval(x, y, 0.13, 0.075, (10, 4, 12))
        for side in (-1, 1):
            pen.poly(
                [
                    (x + side * 0.018, y + 0.012),
                    (x + side * 0.1, y - 0.045),
                    (x + side * 0.08, y + 0.034),
                ],
                (255, 228, 50),
                plain=True,
            )


GLOWING: dict[str, Painter] = {
    "sky lamps": _sky_lamps,
    "sparkles": _sparkles,
    "candles": _candles,
    "sparks": _sparks,
    "flames": _flames,
    "eyes": _eyes,
}
