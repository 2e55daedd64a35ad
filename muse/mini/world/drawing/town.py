"""Places in a town: ground and landmarks below the sky."""

from __future__ import annotations

from random import Random

from muse.mini.world.drawing.pen import BRIGHTS, INK, WHITE, Colour, Painter, Pen

HORIZON = 0.52
SCRAPS: list[Colour] = [
    (224, 224, 228),
    (70, 120, 190),
    (200, 70, 60),
    (80, 80, 84),
    (226, 190, 70),
]
FACADES: list[Colour] = [(186, 116, 94), (206, 176, 138), (146, 158, 176), (178, 148, 160)]


def _house(pen: Pen, rng: Random, x: float, w: float, h: float) -> None:
    pen.rect(x, HORIZON - h, x + w, HORIZON + 0.08, rng.choice(FACADES))
    for row in range(int(h / 0.1)):
        for col in range(2):
            wx, wy = x + w * (0.16 + 0.4 * col), HORIZON - h + 0.04 + 0.1 * row
            pen.rect(wx, wy, wx + w * 0.26, wy + 0.055, (244, 232, 176))


def _street(pen: Pen, rng: Random) -> None:
    pen.fade(-0.1, HORIZON, 1.1, 1.1, (176, 176, 178), (140, 140, 146))
    x = -0.04
    while x < 1.0:
        w, h = rng.uniform(0.16, 0.22), rng.uniform(0.26, 0.44)
        _house(pen, rng, x, w, h * 0.4 if 0.36 < x + w / 2 < 0.64 else h)
        x += w + 0.005
    pen.poly(
        [(0.43, HORIZON + 0.07), (0.57, HORIZON + 0.07), (1.1, 1.1), (-0.1, 1.1)], (86, 88, 96)
    )
    for i in range(4):
        y, s = HORIZON + 0.1 + 0.13 * i, 0.006 + 0.007 * i
        pen.poly(
            [(0.5 - s, y), (0.5 + s, y), (0.5 + s * 1.4, y + 0.08), (0.5 - s * 1.4, y + 0.08)],
            WHITE,
            plain=True,
        )
    for side in (0.1, 0.9):
        pen.rect(side - 0.008, 0.3, side + 0.008, 0.74, (60, 64, 72))
        pen.oval(side, 0.29, 0.028, 0.028, (255, 240, 170))


def _alley(pen: Pen, rng: Random) -> None:
    pen.fade(-0.1, 0.5, 1.1, 1.1, (120, 116, 116), (86, 82, 84))
    for edge, far, brick in ((-0.1, 0.36, (150, 84, 66)), (1.1, 0.64, (128, 74, 62))):
        pen.poly([(edge, -0.1), (far, 0.1), (far, 0.56), (edge, 1.06)], brick)
        for k in range(6):
            near, away = 0.02 + 0.17 * k, 0.14 + 0.07 * k
            pen.line([(edge, near), (far, away)], 0.009, (96, 56, 48))
        for share in (0.3, 0.62):
            x, top = edge + (far - edge) * share, 0.24 + 0.06 * share
            pen.rect(x - 0.04, top, x + 0.04, 0.38 + 0.02 * share, (70, 84, 96))
    rope = [(0.3, 0.2), (0.5, 0.25), (0.7, 0.2)]
    pen.curve(rope, 0.008, WHITE)
    for i, x in enumerate((0.38, 0.46, 0.55)):
        pen.rect(x, 0.23, x + 0.055, 0.33, BRIGHTS[(i + rng.randrange(3)) % 6])
    for x in (0.12, 0.88):
        pen.rect(x - 0.06, 0.68, x + 0.06, 0.84, (84, 110, 92))
        pen.rect(x - 0.07, 0.66, x + 0.07, 0.69, (62, 84, 70))
    pen.oval(0.5, 0.74, 0.07, 0.018, (70, 70, 76))


def _landfill(pen: Pen, rng: Random) -> None:
    pen.fade(-0.1, HORIZON, 1.1, 1.1, (140, 122, 92), (108, 92, 68))
    for x, w, h in ((0.16, 0.32, 0.32), (0.84, 0.36, 0.38), (0.5, 0.3, 0.2)):
        h *= rng.uniform(0.85, 1.15)
        pen.blob(
            [
                (x - w, 0.62),
                (x - w * 0.5, 0.5 - h * 0.4),
                (x, 0.5 - h),
                (x + w * 0.5, 0.5 - h * 0.5),
                (x + w, 0.62),
            ],
            (146, 124, 94),
        )
        for _ in range(10):
            px, py = x + rng.uniform(-0.55, 0.55) * w, 0.56 - rng.uniform(0.0, 0.7) * h
            s = rng.uniform(0.024, 0.044)
            pen.poly(
                [(px, py - s), (px + s, py), (px - s * 0.3, py + s), (px - s, py)],
                rng.choice(SCRAPS),
            )
    for x in (0.12, 0.88):
        pen.oval(x, 0.74, 0.09, 0.09, (44, 44, 50))
        pen.oval(x, 0.74, 0.04, 0.04, (120, 104, 80))
    for _ in range(9):
        px, py, s = rng.random(), rng.uniform(0.64, 1), rng.uniform(0.02, 0.034)
        pen.rect(px, py, px + s * 1.6, py + s, rng.choice(SCRAPS))


def _railroad(pen: Pen, rng: Random) -> None:
    pen.blob(
        [(-0.2, 0.7), (-0.1, 0.5), (0.3, 0.42), (0.6, 0.49), (0.85, 0.43), (1.2, 0.5), (1.2, 0.7)],
        (130, 142, 100),
    )
    pen.fade(-0.1, HORIZON, 1.1, 1.1, (182, 166, 112), (150, 132, 84))
    vx = 0.5 + rng.uniform(-0.07, 0.07)
    pen.poly(
        [(vx - 0.03, HORIZON), (vx + 0.03, HORIZON), (1.0, 1.05), (0.0, 1.05)], (150, 142, 138)
    )
    for i in range(9):
        f = (i / 8) ** 1.8
        y, half, x = HORIZON + 0.02 + 0.48 * f, 0.03 + 0.43 * f, vx + (0.5 - vx) * f
        pen.rect(x - half, y, x + half, y + 0.012 + 0.026 * f, (108, 76, 54))
    for side in (-1, 1):
        pen.poly(
            [
                (vx + side * 0.014, HORIZON),
                (vx + side * 0.022, HORIZON),
                (0.5 + side * 0.35, 1.05),
                (0.5 + side * 0.29, 1.05),
            ],
            (78, 82, 94),
        )
    x = rng.choice((0.1, 0.9))
    pen.rect(x - 0.012, 0.3, x + 0.012, 0.76, (70, 70, 78))
    for turn in (-0.5, 0.5):
        pen.oval(x, 0.32, 0.1, 0.02, WHITE, turn=turn)
    for dx in (-0.04, 0.04):
        pen.oval(x + dx, 0.42, 0.03, 0.03, (220, 50, 50))


def _church(pen: Pen, rng: Random) -> None:
    pen.fade(-0.1, HORIZON, 1.1, 1.1, (150, 176, 120), (110, 140, 86))
    x = 0.5 + rng.uniform(-0.14, 0.14)
    wall, shade, roof = (232, 226, 214), (206, 198, 186), (120, 92, 100)
    for side in (-1, 1):
        pen.rect(
            min(x + side * 0.13, x + side * 0.33),
            0.38,
            max(x + side * 0.13, x + side * 0.33),
            0.62,
            shade,
        )
        pen.poly([(x + side * 0.11, 0.26), (x + side * 0.11, 0.39), (x + side * 0.36, 0.39)], roof)
        for k in (0.19, 0.27):
            pen.oval(x + side * k, 0.49, 0.022, 0.05, (90, 130, 190))
    pen.rect(x - 0.13, 0.2, x + 0.13, 0.62, wall)
    pen.poly([(x - 0.17, 0.21), (x, -0.02), (x + 0.17, 0.21)], roof)
    pen.line([(x, -0.04), (x, 0.06)], 0.014, (250, 220, 110))
    pen.line([(x - 0.035, -0.01), (x + 0.035, -0.01)], 0.014, (250, 220, 110))
    pen.oval(x, 0.29, 0.055, 0.055, (210, 90, 110))
    pen.oval(x, 0.29, 0.026, 0.026, (250, 214, 110))
    pen.rect(x - 0.055, 0.46, x + 0.055, 0.62, (108, 72, 52))
    pen.oval(x, 0.46, 0.055, 0.06, (108, 72, 52))
    pen.poly([(x - 0.05, 0.62), (x + 0.05, 0.62), (0.72, 1.1), (0.28, 1.1)], (206, 190, 160))


def _corridor(pen: Pen, rng: Random) -> None:
    vx = 0.5 + rng.uniform(-0.05, 0.05)
    top, low = 0.2, 0.6
    pen.poly([(vx - 0.16, low), (vx + 0.16, low), (1.25, 1.1), (-0.25, 1.1)], (190, 178, 160))
    for k in range(-3, 4):
        pen.line([(vx + k * 0.053, low), (0.5 + k * 0.25, 1.1)], 0.01, (150, 136, 120))
    for y in (0.66, 0.75, 0.88):
        pen.line([(-0.1, y), (1.1, y)], 0.01, (150, 136, 120))
    for side in (-1, 1):
        edge, far = 0.5 + side * 0.62, vx + side * 0.16
        pen.poly(
            [(edge, -0.16), (far, top), (far, low), (edge, 1.02)],
            (204, 196, 176) if side < 0 else (184, 174, 156),
        )
        for near in (0.2, 0.62):
            away = near + 0.24
            a, b = far + (edge - far) * near, far + (edge - far) * away
            y0, y1 = 0.28 - 0.1 * near, 0.28 - 0.1 * away
            foot0, foot1 = low + (1.02 - low) * near, low + (1.02 - low) * away
            pen.poly([(a, y0), (b, y1), (b, foot1), (a, foot0)], (122, 84, 60))
            pen.oval(b - (b - a) * 0.25, (y1 + foot1) / 2, 0.012, 0.012, (240, 206, 100))
    pen.rect(vx - 0.16, 0.42, vx + 0.16, low, (160, 150, 136))
    for height in (0.35, 0.7, 1.0):
        reach, y = 0.16 + 0.46 * height, top - 0.3 * height
        pen.line([(vx - reach, y), (vx + reach, y)], 0.02, (140, 130, 118))


def _butchers_shop(pen: Pen, rng: Random) -> None:
    pen.fade(-0.1, 0.58, 1.1, 1.1, (206, 200, 196), (170, 162, 160))
    pen.rect(-0.1, 0.22, 1.1, 0.64, (236, 232, 226))
    for i in range(1, 8):
        pen.line([(i / 8, 0.22), (i / 8, 0.64)], 0.006, (206, 202, 198))
    for y in (0.34, 0.46):
        pen.line([(-0.1, y), (1.1, y)], 0.006, (206, 202, 198))
    for i in range(10):
        pen.poly(
            [
                (0.1 * i, 0.14),
                (0.1 * i + 0.1, 0.14),
                (0.1 * i + 0.1, 0.24),
                (0.1 * i + 0.05, 0.27),
                (0.1 * i, 0.24),
            ],
            (206, 50, 56) if i % 2 else WHITE,
        )
    pen.rect(-0.1, 0.3, 1.1, 0.315, (110, 112, 120))
    for x in (0.1, 0.26, 0.74, 0.9):
        x += rng.uniform(-0.02, 0.02)
        pen.line([(x, 0.31), (x, 0.36)], 0.01, (110, 112, 120))
        if rng.random() < 0.5:
            pen.blob(
                [(x, 0.35), (x + 0.06, 0.44), (x + 0.05, 0.56), (x - 0.05, 0.56), (x - 0.05, 0.44)],
                (206, 84, 84),
            )
            for y in (0.44, 0.49):
                pen.line([(x - 0.03, y), (x + 0.03, y)], 0.012, (250, 214, 200))
        else:
            for k in range(4):
                pen.oval(x, 0.38 + 0.05 * k, 0.024, 0.028, (170, 70, 60))
    pen.rect(-0.1, 0.62, 1.1, 0.72, (146, 150, 160))
    pen.rect(-0.1, 0.6, 1.1, 0.635, (222, 226, 232))
    for i in range(5):
        x = 0.1 + 0.2 * i + rng.uniform(-0.03, 0.03)
        pen.oval(x, 0.6, 0.06, 0.026, (222, 96, 96))
        pen.oval(x, 0.6, 0.016, 0.01, WHITE, plain=True)


def _toyshop(pen: Pen, rng: Random) -> None:
    pen.fade(-0.1, 0.6, 1.1, 1.1, (236, 206, 160), (206, 168, 120))
    pen.rect(-0.1, 0.26, 1.1, 0.64, (250, 226, 150))
    for y in (0.44, 0.63):
        pen.rect(-0.1, y, 1.1, y + 0.025, (170, 116, 70))
    for row, y in ((0, 0.44), (1, 0.63)):
        for i in range(6):
            x, colour = (
                0.06 + 0.176 * i + rng.uniform(-0.02, 0.02),
                BRIGHTS[(i + 2 * row + rng.randrange(2)) % 6],
            )
            kind = (i + row + rng.randrange(2)) % 4
            if kind == 0:
                pen.oval(x, y - 0.05, 0.05, 0.05, colour)
                pen.line([(x - 0.045, y - 0.05), (x + 0.045, y - 0.05)], 0.012, WHITE)
            elif kind == 1:
                pen.rect(x - 0.05, y - 0.055, x + 0.05, y, colour)
                pen.rect(x - 0.03, y - 0.11, x + 0.03, y - 0.055, BRIGHTS[(i + 3) % 6])
            elif kind == 2:
                pen.oval(x, y - 0.04, 0.042, 0.045, (176, 122, 76))
                pen.oval(x, y - 0.1, 0.036, 0.034, (176, 122, 76))
                for side in (-1, 1):
                    pen.oval(x + side * 0.03, y - 0.13, 0.014, 0.014, (176, 122, 76))
                    pen.oval(x + side * 0.013, y - 0.104, 0.006, 0.006, INK, plain=True)
            else:
                pen.poly([(x, y - 0.13), (x + 0.055, y), (x - 0.055, y)], colour)
    for i in range(8):
        pen.oval((i + 0.5) / 8, 0.24, 0.066, 0.06, BRIGHTS[i % 2 * 2])
    pen.rect(-0.1, 0.16, 1.1, 0.24, (226, 86, 130))


PAINTERS: dict[str, Painter] = {
    "street": _street,
    "alley": _alley,
    "landfill": _landfill,
    "railroad": _railroad,
    "church": _church,
    "corridor": _corridor,
    "butcher's shop": _butchers_shop,
    "toyshop": _toyshop,
}
