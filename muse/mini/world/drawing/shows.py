"""Places of games and shows: ground and landmarks below the sky."""

from __future__ import annotations

import math
from random import Random

from muse.mini.world.drawing.pen import BRIGHTS, WHITE, Colour, Painter, Pen

HORIZON = 0.52


def _crowd(pen: Pen, rng: Random, top: float, low: float, count: int = 40) -> None:
    rows = 3
    for row in range(rows):
        y = top + (low - top) * (row + 0.5) / rows
        for i in range(count // rows):
            x = (i + rng.random() * 0.6) / (count // rows)
            pen.oval(x, y, 0.024, 0.027, rng.choice(BRIGHTS), plain=True)


def _amusement_park(pen: Pen, rng: Random) -> None:
    pen.fade(-0.1, HORIZON, 1.1, 1.1, (220, 200, 160), (190, 164, 122))
    cx, cy, r = 0.3 + rng.uniform(-0.06, 0.06), 0.32, 0.25
    for side in (-1, 1):
        pen.line([(cx, cy), (cx + side * 0.17, HORIZON + 0.08)], 0.026, (96, 100, 124))
    turn = rng.random()
    spots = []
    for i in range(8):
        a = (i + turn) * math.pi / 4
        spots.append((cx + r * math.cos(a), cy + r * math.sin(a)))
    for spot in spots:
        pen.line([(cx, cy), spot], 0.01, (150, 154, 176))
    pen.ring(cx, cy, r, 0.024, (230, 66, 80))
    pen.ring(cx, cy, r * 0.55, 0.012, (230, 66, 80))
    for i, (x, y) in enumerate(spots):
        pen.oval(x, y + 0.02, 0.042, 0.04, BRIGHTS[i % 5])
    tx = 0.79 + rng.uniform(-0.04, 0.04)
    for i in range(6):
        a, b = tx - 0.18 + 0.06 * i, tx - 0.12 + 0.06 * i
        colour = (230, 56, 64) if i % 2 == 0 else WHITE
        pen.rect(a + 0.006 * (2.5 - i), 0.4, b + 0.006 * (2.5 - i), HORIZON + 0.1, colour)
        pen.poly([(tx, 0.2), (b, 0.42), (a, 0.42)], colour)
    pen.poly([(tx, 0.11), (tx + 0.09, 0.145), (tx, 0.18)], (250, 204, 50))
    pen.line([(tx, 0.11), (tx, 0.22)], 0.01, (96, 100, 124))


def _stage(pen: Pen, rng: Random) -> None:
    pen.fade(-0.1, 0.6, 1.1, 1.1, (200, 146, 92), (146, 98, 58))
    for i in range(1, 5):
        pen.line([(-0.1, 0.6 + 0.09 * i), (1.1, 0.6 + 0.09 * i)], 0.008, (130, 86, 50))
    red, dark = (190, 30, 52), (140, 16, 38)
    for side in (0, 1):
        for i in range(5):
            x0, x1 = 0.048 * i, 0.048 * (i + 1)
            a, b = (x0, x1) if side == 0 else (1 - x1, 1 - x0)
            pen.rect(a, 0, b, 0.76 - 0.03 * i, red if i % 2 == 0 else dark)
    for i in range(6):
        pen.oval((i + 0.5) / 6, 0.02, 0.1, 0.11 + 0.02 * rng.random(), red if i % 2 == 0 else dark)
        pen.line([(i / 6, 0.09), ((i + 0.5) / 6, 0.13), ((i + 1) / 6, 0.09)], 0.014, (246, 206, 90))
    for i in range(7):
        pen.oval(0.08 + 0.14 * i, 0.97, 0.034, 0.03, (255, 240, 180))


def _football_field(pen: Pen, rng: Random) -> None:
    pen.rect(-0.1, 0.36, 1.1, HORIZON, (118, 124, 144))
    _crowd(pen, rng, 0.37, HORIZON)
    for i in range(6):
        green = (76, 164, 72) if i % 2 == 0 else (98, 188, 88)
        pen.rect(-0.1, HORIZON + 0.09 * i, 1.1, HORIZON + 0.09 * (i + 1), green, plain=True)
    for y, w in ((HORIZON + 0.06, 0.01), (0.74, 0.014), (0.93, 0.018)):
        pen.rect(-0.1, y, 1.1, y + w, WHITE, plain=True)
    x = 0.5 + rng.uniform(-0.06, 0.06)
    post: Colour = (250, 226, 90)
    pen.rect(x - 0.014, 0.4, x + 0.014, HORIZON + 0.06, post)
    pen.rect(x - 0.19, 0.38, x + 0.19, 0.405, post)
    for side in (-1, 1):
        pen.rect(x + side * 0.18 - 0.012, 0.1, x + side * 0.18 + 0.012, 0.4, post)
    for x in (0.08, 0.92):
        pen.rect(x - 0.008, 0.2, x + 0.008, 0.4, (96, 100, 112))
        pen.rect(x - 0.05, 0.13, x + 0.05, 0.21, (226, 232, 240))


def _boxing_ring(pen: Pen, rng: Random) -> None:
    pen.rect(-0.1, 0.4, 1.1, 0.62, (84, 86, 102))
    _crowd(pen, rng, 0.42, 0.58)
    pen.fade(-0.1, 0.6, 1.1, 1.1, (84, 86, 102), (60, 62, 76))
    pen.poly([(0.1, 0.58), (0.9, 0.58), (1.08, 0.95), (-0.08, 0.95)], (220, 226, 236))
    pen.rect(-0.1, 0.94, 1.1, 1.1, (44, 66, 150))
    for k, colour in enumerate(((220, 44, 50), WHITE, (46, 84, 200))):
        y = 0.3 + 0.09 * k
        pen.rect(0.1, y, 0.9, y + 0.022, colour)
        for a, b in ((0.1, -0.1), (0.9, 1.1)):
            pen.poly([(a, y), (a, y + 0.022), (b, y * 1.5 + 0.01), (b, y * 1.5 - 0.03)], colour)
    for x, colour in ((0.1, (220, 44, 50)), (0.9, (46, 84, 200))):
        pen.rect(x - 0.03, 0.25, x + 0.03, 0.6, colour)
        pen.oval(x, 0.25, 0.034, 0.02, WHITE)


def _discotheque(pen: Pen, rng: Random) -> None:
    pen.rect(-0.1, 0.34, 1.1, 0.62, (72, 52, 110))
    for x in (0.1, 0.9):
        pen.rect(x - 0.09, 0.3, x + 0.09, 0.64, (40, 36, 52))
        for y, r in ((0.38, 0.045), (0.52, 0.065)):
            pen.oval(x, y, r, r, (120, 120, 134))
            pen.oval(x, y, r * 0.5, r * 0.5, (50, 48, 60))
    offset = rng.randrange(6)
    edges = [0.6, 0.68, 0.8, 1.02]
    for row in range(3):
        y0, y1 = edges[row], edges[row + 1]
        w0, w1 = 0.5 + 1.1 * (y0 - 0.6), 0.5 + 1.1 * (y1 - 0.6)
        for col in range(6):
            a, b = col / 6 - 0.5, (col + 1) / 6 - 0.5
            pen.poly(
                [
                    (0.5 + 2.2 * a * w0, y0),
                    (0.5 + 2.2 * b * w0, y0),
                    (0.5 + 2.2 * b * w1, y1),
                    (0.5 + 2.2 * a * w1, y1),
                ],
                BRIGHTS[(col * 2 + row * 3 + offset) % 6],
            )
    x = 0.5 + rng.uniform(-0.08, 0.08)
    pen.line([(x, 0), (x, 0.1)], 0.012, (200, 200, 210))
    pen.oval(x, 0.21, 0.12, 0.12, (206, 214, 230))
    for i in range(-2, 3):
        for k in range(-2, 3):
            if i * i + k * k < 7:
                shade = (i * 3 + k * 5) % 3
                tile: Colour = ((250, 252, 255), (160, 176, 206), (226, 190, 236))[shade]
                pen.rect(
                    x + 0.042 * i - 0.017,
                    0.21 + 0.042 * k - 0.017,
                    x + 0.042 * i + 0.017,
                    0.21 + 0.042 * k + 0.017,
                    tile,
                    plain=True,
                )


def _bullring(pen: Pen, rng: Random) -> None:
    pen.rect(-0.1, 0.22, 1.1, 0.56, (196, 130, 84))
    for i in range(8):
        x = (i + 0.5) / 8
        pen.rect(x - 0.035, 0.28, x + 0.035, 0.4, (110, 62, 44))
        pen.oval(x, 0.28, 0.035, 0.035, (110, 62, 44))
    _crowd(pen, rng, 0.4, 0.5, 36)
    pen.fade(-0.1, 0.6, 1.1, 1.1, (240, 204, 130), (216, 168, 92))
    pen.blob(
        [(-0.2, 0.5), (0.5, 0.47), (1.2, 0.5), (1.2, 0.63), (0.5, 0.6), (-0.2, 0.63)], (186, 40, 40)
    )
    pen.curve([(-0.2, 0.56), (0.5, 0.53), (1.2, 0.56)], 0.016, WHITE)
    pen.curve([(0.0, 0.82), (0.5, 0.74), (1.0, 0.82)], 0.014, WHITE)
    for x in (0.16, 0.84):
        x += rng.uniform(-0.04, 0.04)
        pen.line([(x, 0.1), (x, 0.24)], 0.012, (110, 62, 44))
        pen.poly([(x, 0.08), (x + 0.12, 0.1), (x + 0.12, 0.17), (x, 0.16)], (250, 200, 50))


def _swimming_pool(pen: Pen, rng: Random) -> None:
    pen.fade(-0.1, HORIZON - 0.02, 1.1, 1.1, (236, 224, 204), (210, 194, 170))
    for i in range(9):
        pen.oval(i / 8, HORIZON - 0.02, 0.08, rng.uniform(0.06, 0.1), (84, 150, 88))
    pen.poly([(0.16, 0.6), (0.84, 0.6), (1.16, 0.93), (-0.16, 0.93)], WHITE)
    pen.poly([(0.19, 0.62), (0.81, 0.62), (1.08, 0.9), (-0.08, 0.9)], (64, 186, 220))
    for a, b in ((0.4, 0.28), (0.6, 0.72)):
        pen.line([(a, 0.62), (b, 0.9)], 0.012, (232, 80, 80))
    for _ in range(7):
        x, y = rng.uniform(0.1, 0.8), rng.uniform(0.66, 0.88)
        pen.curve(
            [(x, y), (x + 0.03, y - 0.012), (x + 0.06, y), (x + 0.09, y - 0.012)],
            0.01,
            (190, 240, 250),
        )
    x = rng.choice((0.14, 0.86))
    pen.rect(x - 0.012, 0.3, x + 0.012, 0.58, (170, 174, 184))
    pen.blob([(x - 0.15, 0.34), (x, 0.22), (x + 0.15, 0.34), (x, 0.31)], (236, 80, 96))
    pen.oval(1 - x, 0.76, 0.07, 0.034, (250, 150, 60))
    pen.oval(1 - x, 0.76, 0.034, 0.015, (64, 186, 220), plain=True)


PAINTERS: dict[str, Painter] = {
    "amusement park": _amusement_park,
    "stage": _stage,
    "football field": _football_field,
    "boxing ring": _boxing_ring,
    "discotheque": _discotheque,
    "bullring": _bullring,
    "swimming pool": _swimming_pool,
}
