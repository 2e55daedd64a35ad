"""Props that glow: the light of the scene does not change their colours."""

from __future__ import annotations

import math
from random import Random

from muse.mini.world.drawing.pen import INK, Painter, Pen


def _sky_lamps(pen: Pen, rng: Random) -> None:
    for x, y in (
        (0.08, 0.5),
        (0.17, 0.26),
        (0.36, 0.34),
        (0.64, 0.3),
        (0.8, 0.18),
        (0.92, 0.42),
        (0.5, 0.11),
    ):
        x, y = x + rng.uniform(-0.04, 0.04), y + rng.uniform(-0.05, 0.05)
        pen.oval(x, y, 0.065, 0.07, (255, 200, 90, 80))
        pen.blob(
            [
                (x - 0.034, y - 0.03),
                (x, y - 0.05),
                (x + 0.034, y - 0.03),
                (x + 0.024, y + 0.045),
                (x - 0.024, y + 0.045),
            ],
            (255, 196, 90),
        )
        pen.rect(x - 0.014, y + 0.012, x + 0.014, y + 0.042, (255, 250, 206), plain=True)


def _sparkles(pen: Pen, rng: Random) -> None:
    for _ in range(13):
        x, y, s = rng.random(), rng.uniform(0.05, 0.95), rng.uniform(0.03, 0.056)
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
    for x in (0.07, 0.17, 0.83, 0.93):
        h, y = rng.uniform(0.12, 0.18), 0.97
        pen.oval(x, y - h - 0.04, 0.06, 0.065, (255, 206, 96, 90))
        pen.rect(x - 0.026, y - h, x + 0.026, y, (250, 242, 220))
        pen.line([(x, y - h), (x, y - h - 0.015)], 0.008, INK)
        pen.oval(x, y - h - 0.036, 0.016, 0.034, (255, 186, 50), plain=True)


def _sparks(pen: Pen, rng: Random) -> None:
    for _ in range(24):
        a, r = rng.uniform(-3.0, -0.14), rng.uniform(0.32, 0.74)
        x, y = 0.5 + r * math.cos(a), 0.9 + r * math.sin(a)
        tip = (x + 0.06 * math.cos(a), y + 0.06 * math.sin(a))
        pen.line([(x, y), tip], 0.018, rng.choice([(255, 224, 96), (255, 166, 46)]))


def _flames(pen: Pen, rng: Random) -> None:
    for i in range(9):
        x = i / 8 + rng.uniform(-0.03, 0.03)
        h = rng.uniform(0.17, 0.34) * (0.6 if 0.3 < x < 0.7 else 1.1)
        for w, k, colour in (
            (0.08, 1.0, (255, 96, 20)),
            (0.054, 0.68, (255, 176, 44)),
            (0.028, 0.38, (255, 244, 156)),
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
    for x, y in ((0.1, 0.58), (0.22, 0.36), (0.78, 0.38), (0.9, 0.6), (0.13, 0.82), (0.89, 0.82)):
        x, y = x + rng.uniform(-0.04, 0.04), y + rng.uniform(-0.04, 0.04)
        pen.oval(x, y, 0.09, 0.05, (10, 4, 12, 215))
        for side in (-1, 1):
            pen.poly(
                [
                    (x + side * 0.012, y + 0.008),
                    (x + side * 0.068, y - 0.03),
                    (x + side * 0.054, y + 0.022),
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
