"""Props that glow, drawn around the subject; the light of the scene does not dim them."""

from __future__ import annotations

import math
from random import Random

from muse.mini.world.canvas import Painter, Pen


def _lanterns(pen: Pen, rng: Random) -> None:
    for x, y in [
        (0.08, 0.5),
        (0.17, 0.26),
        (0.36, 0.36),
        (0.64, 0.3),
        (0.8, 0.2),
        (0.92, 0.42),
        (0.5, 0.12),
    ]:
        x, y = x + rng.uniform(-0.04, 0.04), y + rng.uniform(-0.05, 0.05)
        pen.oval(x, y, 0.06, 0.066, (255, 190, 80, 90))
        pen.poly(
            [
                (x - 0.03, y - 0.04),
                (x + 0.03, y - 0.04),
                (x + 0.022, y + 0.04),
                (x - 0.022, y + 0.04),
            ],
            (255, 196, 84),
        )
        pen.rect(x - 0.014, y + 0.01, x + 0.014, y + 0.038, (255, 250, 200))


def _sparkles(pen: Pen, rng: Random) -> None:
    for _ in range(13):
        x, y, s = rng.random(), rng.uniform(0.05, 0.95), rng.uniform(0.04, 0.065)
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
        )


def _candles(pen: Pen, rng: Random) -> None:
    for x in (0.07, 0.17, 0.83, 0.93):
        h, y = rng.uniform(0.12, 0.18), 0.96
        pen.oval(x, y - h - 0.04, 0.055, 0.06, (255, 200, 90, 90))
        pen.rect(x - 0.024, y - h, x + 0.024, y, (250, 240, 214))
        pen.oval(x, y - h - 0.03, 0.015, 0.032, (255, 190, 50))


def _sparks(pen: Pen, rng: Random) -> None:
    for _ in range(24):
        a, r = rng.uniform(-3.0, -0.14), rng.uniform(0.3, 0.72)
        x, y = 0.5 + r * math.cos(a), 0.9 + r * math.sin(a)
        pen.line(
            [(x, y), (x + 0.06 * math.cos(a), y + 0.06 * math.sin(a))],
            0.018,
            rng.choice([(255, 220, 90), (255, 160, 40)]),
        )


def _flames(pen: Pen, rng: Random) -> None:
    for x in [i / 8 for i in range(9)]:
        x, h = (
            x + rng.uniform(-0.03, 0.03),
            rng.uniform(0.16, 0.34) * (0.7 if 0.3 < x < 0.7 else 1.1),
        )
        for w, k, colour in (
            (0.075, 1.0, (255, 96, 16)),
            (0.05, 0.68, (255, 176, 40)),
            (0.026, 0.38, (255, 244, 150)),
        ):
            pen.poly(
                [
                    (x - w, 1),
                    (x - w * 0.8, 1 - h * k * 0.5),
                    (x - w * 0.2, 1 - h * k * 0.7),
                    (x, 1 - h * k),
                    (x + w * 0.3, 1 - h * k * 0.6),
                    (x + w * 0.8, 1 - h * k * 0.45),
                    (x + w, 1),
                ],
                colour,
            )


def _eyes(pen: Pen, rng: Random) -> None:
    for x, y in [(0.1, 0.58), (0.28, 0.46), (0.72, 0.48), (0.9, 0.6), (0.15, 0.82), (0.87, 0.82)]:
        x, y = x + rng.uniform(-0.04, 0.04), y + rng.uniform(-0.04, 0.04)
        pen.oval(x, y, 0.085, 0.05, (10, 4, 10, 200))
        for side in (-1, 1):
            pen.poly(
                [
                    (x + side * 0.012, y + 0.006),
                    (x + side * 0.065, y - 0.03),
                    (x + side * 0.05, y + 0.02),
                ],
                (255, 226, 40),
            )


GLOWING: dict[str, Painter] = {
    "lanterns": _lanterns,
    "sparkles": _sparkles,
    "candles": _candles,
    "sparks": _sparks,
    "flames": _flames,
    "eyes": _eyes,
}
