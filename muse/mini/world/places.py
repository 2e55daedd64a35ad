"""The twelve places: ground and landmarks below the sky."""

from __future__ import annotations

import math
from random import Random

from muse.mini.world.canvas import Colour, Painter, Pen

HORIZON = 0.52
SCRAPS: list[Colour] = [(220, 220, 224), (60, 110, 180), (190, 60, 50), (70, 70, 72)]
GONDOLAS: list[Colour] = [(250, 200, 40), (60, 150, 230), (90, 190, 90), (240, 110, 170)]
SPECTATORS: list[Colour] = [(220, 70, 60), (240, 220, 90), (80, 120, 210), (240, 240, 240)]


def _ground(pen: Pen, colour: Colour, top: float = HORIZON) -> None:
    pen.rect(0, top, 1, 1, colour)


def _cemetery(pen: Pen, rng: Random) -> None:
    _ground(pen, (86, 122, 72))
    for x in [i / 9 for i in range(10)]:
        pen.rect(x - 0.011, HORIZON - 0.09, x + 0.011, HORIZON + 0.03, (60, 60, 66))
    pen.rect(0, HORIZON - 0.06, 1, HORIZON - 0.045, (60, 60, 66))
    spots = [(0.12, 0.66), (0.36, 0.6), (0.62, 0.61), (0.87, 0.67), (0.08, 0.88), (0.92, 0.9)]
    for i, (x, y) in enumerate(spots):
        x += rng.uniform(-0.03, 0.03)
        w, h = 0.06 + 0.05 * (y - 0.6), 0.16 + 0.2 * (y - 0.6)
        stone = (168, 170, 172)
        if (i + rng.randrange(2)) % 3 == 0:
            pen.rect(x - 0.016, y - h * 1.35, x + 0.016, y, stone)
            pen.rect(x - w * 0.8, y - h, x + w * 0.8, y - h + 0.035, stone)
        else:
            pen.rect(x - w, y - h, x + w, y, stone)
            pen.oval(x, y - h, w, w, stone)
            pen.rect(x - w * 0.5, y - h * 0.75, x + w * 0.5, y - h * 0.65, (110, 112, 116))
        pen.oval(x, y, w * 1.3, 0.02, (70, 100, 58))


def _landfill(pen: Pen, rng: Random) -> None:
    _ground(pen, (122, 104, 78))
    for x, w, h in [(0.18, 0.32, 0.3), (0.8, 0.36, 0.36), (0.5, 0.3, 0.2)]:
        h *= rng.uniform(0.85, 1.15)
        pen.poly(
            [
                (x - w, HORIZON + 0.06),
                (x - w * 0.3, HORIZON - h),
                (x + w * 0.25, HORIZON - h * 0.92),
                (x + w, HORIZON + 0.06),
            ],
            (134, 112, 84),
        )
        for _ in range(9):
            px, py = x + rng.uniform(-0.6, 0.6) * w, HORIZON - rng.uniform(0.0, 0.55) * h
            colour = rng.choice([*SCRAPS, (226, 190, 70)])
            s = rng.uniform(0.026, 0.044)
            pen.poly([(px, py - s), (px + s, py), (px - s * 0.3, py + s), (px - s, py)], colour)
    for _ in range(9):
        px, py, s = rng.random(), rng.uniform(HORIZON + 0.06, 1), rng.uniform(0.02, 0.036)
        pen.rect(px, py, px + s * 1.6, py + s, rng.choice(SCRAPS))


def _amusement_park(pen: Pen, rng: Random) -> None:
    _ground(pen, (206, 186, 150))
    cx, cy, r = 0.3 + rng.uniform(-0.06, 0.06), 0.3, 0.24
    pen.line([(cx, cy), (cx - 0.16, HORIZON + 0.06)], 0.022, (90, 90, 110))
    pen.line([(cx, cy), (cx + 0.16, HORIZON + 0.06)], 0.022, (90, 90, 110))
    turn = rng.random()
    for i in range(8):
        a = (i + turn) * math.pi / 4
        x, y = cx + r * math.cos(a), cy + r * math.sin(a)
        pen.line([(cx, cy), (x, y)], 0.008, (120, 120, 140))
    pen.ring(cx, cy, r, 0.02, (230, 60, 70))
    for i in range(8):
        a = (i + turn) * math.pi / 4
        x, y = cx + r * math.cos(a), cy + r * math.sin(a)
        pen.oval(x, y + 0.015, 0.035, 0.032, GONDOLAS[i % 4])
    tx = 0.78 + rng.uniform(-0.05, 0.05)
    for i in range(6):
        a, b = tx - 0.18 + 0.06 * i, tx - 0.12 + 0.06 * i
        colour = (226, 50, 56) if i % 2 == 0 else (250, 246, 240)
        pen.poly([(tx, 0.22), (a, 0.42), (b, 0.42)], colour)
        pen.rect(a + 0.01 * (2.5 - i) / 2.5, 0.42, b, HORIZON + 0.08, colour)
    pen.poly([(tx, 0.14), (tx + 0.08, 0.17), (tx, 0.2)], (250, 200, 40))


def _street(pen: Pen, rng: Random) -> None:
    _ground(pen, (150, 150, 152))
    x = -0.02
    while x < 1.0:
        w, h = rng.uniform(0.16, 0.24), rng.uniform(0.24, 0.44)
        if 0.36 < x + w / 2 < 0.64:
            h *= 0.4
        colour = rng.choice([(176, 110, 90), (196, 168, 130), (140, 150, 166), (168, 140, 150)])
        pen.rect(x, HORIZON - h, x + w, HORIZON + 0.06, colour)
        for row in range(int(h / 0.09)):
            for col in range(3):
                wx, wy = x + w * (0.16 + 0.28 * col), HORIZON - h + 0.035 + 0.09 * row
                pen.rect(wx, wy, wx + w * 0.15, wy + 0.045, (238, 226, 170))
        x += w + 0.01
    pen.poly([(0.42, HORIZON + 0.06), (0.58, HORIZON + 0.06), (1.05, 1), (-0.05, 1)], (84, 84, 90))
    for i in range(4):
        y, s = HORIZON + 0.1 + 0.12 * i, 0.006 + 0.006 * i
        pen.poly(
            [(0.5 - s, y), (0.5 + s, y), (0.5 + s * 1.4, y + 0.07), (0.5 - s * 1.4, y + 0.07)],
            (240, 236, 220),
        )


def _conifer(pen: Pen, x: float, y: float, s: float, colour: Colour) -> None:
    pen.rect(x - 0.03 * s, y - 0.2 * s, x + 0.03 * s, y, (98, 68, 44))
    for k in range(3):
        top, w = y - (1.0 - 0.24 * k) * s, (0.16 + 0.07 * k) * s
        pen.poly([(x, top), (x - w, top + 0.36 * s), (x + w, top + 0.36 * s)], colour)


def _forest(pen: Pen, rng: Random) -> None:
    _ground(pen, (92, 98, 56))
    for i in range(9):
        _conifer(
            pen,
            i / 8 + rng.uniform(-0.03, 0.03),
            HORIZON + 0.05,
            rng.uniform(0.34, 0.44),
            (44, 96, 62),
        )
    for x in (0.02, 0.2, 0.8, 0.98):
        _conifer(pen, x + rng.uniform(-0.03, 0.03), 0.72, rng.uniform(0.55, 0.68), (34, 118, 58))


def _railroad(pen: Pen, rng: Random) -> None:
    _ground(pen, (166, 152, 104))
    pen.poly(
        [
            (0, HORIZON),
            (0.3, HORIZON - 0.1),
            (0.55, HORIZON - 0.02),
            (0.8, HORIZON - 0.08),
            (1, HORIZON),
        ],
        (120, 130, 90),
    )
    vx = 0.5 + rng.uniform(-0.08, 0.08)
    pen.poly([(vx - 0.03, HORIZON), (vx + 0.03, HORIZON), (0.98, 1), (0.02, 1)], (140, 130, 126))
    for i in range(9):
        f = (i / 8) ** 1.8
        y, half = HORIZON + 0.02 + 0.46 * f, 0.03 + 0.42 * f
        x = vx + (0.5 - vx) * f
        pen.rect(x - half, y, x + half, y + 0.012 + 0.024 * f, (104, 72, 50))
    for side in (-1, 1):
        pen.poly(
            [
                (vx + side * 0.014, HORIZON),
                (vx + side * 0.02, HORIZON),
                (0.5 + side * 0.33, 1),
                (0.5 + side * 0.28, 1),
            ],
            (70, 74, 84),
        )
    for i, x in enumerate((0.06, 0.16, 0.24)):
        top = 0.12 + 0.1 * i
        pen.rect(x - 0.01, top, x + 0.01, HORIZON + 0.1 - 0.03 * i, (104, 72, 50))
        pen.rect(x - 0.05, top + 0.03, x + 0.05, top + 0.05, (104, 72, 50))


def _stage(pen: Pen, rng: Random) -> None:
    _ground(pen, (178, 122, 72), 0.6)
    for i in range(1, 5):
        pen.rect(0, 0.6 + 0.085 * i, 1, 0.606 + 0.085 * i, (140, 92, 52))
    pen.rect(0, 0.93, 1, 1, (92, 56, 36))
    red, dark = (176, 24, 44), (126, 12, 30)
    for side in (0, 1):
        for i in range(5):
            x0, x1 = 0.046 * i, 0.046 * (i + 1)
            a, b = (x0, x1) if side == 0 else (1 - x1, 1 - x0)
            pen.rect(a, 0, b, 0.74 - 0.03 * i, red if i % 2 == 0 else dark)
    for i in range(6):
        pen.oval((i + 0.5) / 6, 0.02, 0.1, 0.1 + 0.02 * rng.random(), red if i % 2 == 0 else dark)


def _beach(pen: Pen, rng: Random) -> None:
    pen.rect(0, HORIZON, 1, 0.72, (48, 140, 190))
    for _ in range(8):
        x, y = rng.random(), rng.uniform(HORIZON + 0.02, 0.68)
        pen.rect(x, y, x + 0.1, y + 0.008, (170, 214, 232))
    edge = rng.uniform(-0.03, 0.03)
    pen.poly(
        [(0, 0.72 + edge), (0.3, 0.69), (0.65, 0.73 - edge), (1, 0.68), (1, 1), (0, 1)],
        (236, 214, 156),
    )
    pen.line(
        [(0, 0.72 + edge), (0.3, 0.69), (0.65, 0.73 - edge), (1, 0.68)], 0.016, (246, 250, 252)
    )
    side = rng.choice((0.1, 0.9))
    lean = 0.06 if side < 0.5 else -0.06
    pen.line([(side, 0.86), (side + lean * 0.3, 0.55), (side + lean, 0.28)], 0.03, (140, 100, 60))
    for a in (-2.9, -2.3, -1.6, -0.9, -0.3, 0.3, 2.8):
        tx, ty = side + lean + 0.17 * math.cos(a), 0.28 + 0.11 * math.sin(a) + 0.05
        pen.line(
            [(side + lean, 0.28), ((side + lean + tx) / 2, (0.28 + ty) / 2 - 0.035), (tx, ty)],
            0.024,
            (44, 130, 62),
        )


def _pond(pen: Pen, rng: Random) -> None:
    _ground(pen, (110, 164, 78))
    for i in range(7):
        x = i / 6 + rng.uniform(-0.03, 0.03)
        pen.oval(x, HORIZON, 0.12, rng.uniform(0.08, 0.13), (70, 132, 66))
    pen.oval(0.5, 0.74, 0.56, 0.16, (70, 108, 60))
    pen.oval(0.5, 0.74, 0.53, 0.14, (66, 142, 168))
    for x, y in [(0.14, 0.73), (0.26, 0.8), (0.82, 0.7), (0.74, 0.82), (0.9, 0.77)]:
        x += rng.uniform(-0.02, 0.02)
        pen.oval(x, y, 0.05, 0.018, (80, 176, 84))
        if rng.random() < 0.5:
            pen.oval(x, y - 0.012, 0.016, 0.014, (246, 170, 200))
    for x in (0.03, 0.07, 0.93, 0.97):
        h = rng.uniform(0.2, 0.28)
        pen.line([(x, 0.84), (x, 0.84 - h)], 0.01, (84, 120, 56))
        pen.oval(x, 0.84 - h, 0.014, 0.045, (112, 70, 40))


def _snowy_mountain(pen: Pen, rng: Random) -> None:
    for x, top, w in [(0.24, 0.16, 0.34), (0.76, 0.1, 0.38), (0.5, 0.26, 0.26)]:
        x, top = x + rng.uniform(-0.05, 0.05), top + rng.uniform(-0.03, 0.03)
        pen.poly([(x, top), (x - w, 0.62), (x + w, 0.62)], (104, 116, 142))
        drop = 0.16
        k = drop / (0.62 - top) * w
        pen.poly(
            [
                (x, top),
                (x - k, top + drop),
                (x - k * 0.4, top + drop * 0.72),
                (x, top + drop * 1.05),
                (x + k * 0.45, top + drop * 0.7),
                (x + k, top + drop),
            ],
            (250, 252, 255),
        )
    pen.poly([(0, 0.56), (0.35, 0.6), (0.7, 0.55), (1, 0.6), (1, 1), (0, 1)], (232, 240, 250))
    pen.poly([(0, 0.78), (0.4, 0.7), (1, 0.82), (1, 1), (0, 1)], (246, 250, 255))
    for x in (0.06, 0.94):
        _conifer(pen, x, 0.74, 0.24, (52, 104, 84))


def _football_field(pen: Pen, rng: Random) -> None:
    for i in range(6):
        green = (70, 160, 66) if i % 2 == 0 else (88, 180, 80)
        pen.rect(0, HORIZON + 0.08 * i, 1, HORIZON + 0.08 * (i + 1), green)
    for y, w in [(HORIZON + 0.06, 0.008), (0.72, 0.012), (0.92, 0.016)]:
        pen.rect(0, y, 1, y + w, (246, 250, 246))
    pen.rect(0, HORIZON - 0.1, 1, HORIZON, (120, 126, 140))
    for _ in range(26):
        x, y = rng.random(), HORIZON - rng.uniform(0.02, 0.09)
        pen.oval(x, y, 0.02, 0.022, rng.choice(SPECTATORS))
    x = 0.5 + rng.uniform(-0.06, 0.06)
    white = (250, 250, 244)
    pen.rect(x - 0.012, 0.4, x + 0.012, HORIZON + 0.05, white)
    pen.rect(x - 0.17, 0.39, x + 0.17, 0.41, white)
    for side in (-1, 1):
        pen.rect(x + side * 0.16 - 0.01, 0.1, x + side * 0.16 + 0.01, 0.4, white)


def _boxing_ring(pen: Pen, rng: Random) -> None:
    _ground(pen, (90, 92, 104), 0.5)
    for i in range(9):
        pen.oval(i / 8 + rng.uniform(-0.02, 0.02), 0.5, 0.035, 0.045, (104, 88, 92))
    pen.poly([(0.12, 0.56), (0.88, 0.56), (1.02, 0.94), (-0.02, 0.94)], (210, 216, 226))
    pen.rect(-0.02, 0.94, 1.02, 1, (46, 60, 130))
    for y, colour in [(0.3, (214, 40, 44)), (0.38, (244, 244, 246)), (0.46, (46, 80, 190))]:
        pen.rect(0.12, y, 0.88, y + 0.018, colour)
        for side in (0, 1):
            a, b = (0.12, -0.02) if side == 0 else (0.88, 1.02)
            far = y + 0.06 + (y - 0.3) * 0.8
            pen.poly([(a, y), (a, y + 0.018), (b, far + 0.03), (b, far)], colour)
    for x, colour in [(0.12, (214, 40, 44)), (0.88, (46, 80, 190))]:
        pen.rect(x - 0.024, 0.25, x + 0.024, 0.58, colour)


PAINTERS: dict[str, Painter] = {
    "cemetery": _cemetery,
    "landfill": _landfill,
    "amusement park": _amusement_park,
    "street": _street,
    "forest": _forest,
    "railroad": _railroad,
    "stage": _stage,
    "beach": _beach,
    "pond": _pond,
    "snowy mountain": _snowy_mountain,
    "football field": _football_field,
    "boxing ring": _boxing_ring,
}
