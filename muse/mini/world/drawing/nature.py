"""Places in the open country: ground and landmarks below the sky."""

from __future__ import annotations

from random import Random

from muse.mini.world.drawing.pen import WHITE, Colour, Painter, Pen

HORIZON = 0.52


def conifer(pen: Pen, x: float, y: float, s: float, colour: Colour) -> None:
    """A fir of height `s` with its foot at (x, y)."""
    pen.rect(x - 0.03 * s, y - 0.2 * s, x + 0.03 * s, y, (98, 68, 44))
    for k in range(3):
        top, w = y - (1.0 - 0.24 * k) * s, (0.17 + 0.07 * k) * s
        pen.poly([(x, top), (x + w, top + 0.36 * s), (x - w, top + 0.36 * s)], colour)


def _hills(pen: Pen, rng: Random, colour: Colour, height: float) -> None:
    points = [(-0.2, 0.8)]
    for i in range(5):
        points.append((-0.1 + 0.3 * i, HORIZON - height * rng.uniform(0.2, 1.0)))
    pen.blob([*points, (1.2, 0.8)], colour)


def _cemetery(pen: Pen, rng: Random) -> None:
    _hills(pen, rng, (84, 108, 80), 0.06)
    pen.fade(-0.1, HORIZON, 1.1, 1.1, (104, 134, 84), (70, 98, 62))
    side = rng.choice((0.1, 0.9))
    pen.curve([(side, 0.62), (side, 0.42), (side + 0.04, 0.3)], 0.035, (74, 60, 52))
    for dx, dy in ((0.12, 0.16), (-0.1, 0.2), (0.04, 0.12), (-0.06, 0.3), (0.13, 0.28)):
        pen.line([(side + 0.02, 0.4), (side + dx, dy)], 0.014, (74, 60, 52))
    for i in range(13):
        x = i / 12
        pen.line([(x, HORIZON - 0.07), (x, HORIZON + 0.04)], 0.013, (54, 54, 62))
    pen.rect(-0.1, HORIZON - 0.05, 1.1, HORIZON - 0.035, (54, 54, 62))
    for i, (x, y) in enumerate(
        ((0.14, 0.68), (0.36, 0.63), (0.64, 0.64), (0.87, 0.69), (0.08, 0.9), (0.93, 0.92))
    ):
        x, grow = x + rng.uniform(-0.03, 0.03), 1 + 2.2 * (y - 0.6)
        stone, w, h = (178, 180, 186), 0.055 * grow, 0.15 * grow
        if (i + rng.randrange(2)) % 3 == 0:
            pen.rect(x - 0.2 * w, y - 1.5 * h, x + 0.2 * w, y, stone)
            pen.rect(x - 0.8 * w, y - 1.15 * h, x + 0.8 * w, y - 0.95 * h, stone)
        else:
            pen.blob(
                [(x - w, y), (x - w, y - h), (x, y - 1.35 * h), (x + w, y - h), (x + w, y)], stone
            )
            for k in (0.75, 0.95):
                pen.line(
                    [(x - w * 0.5, y - h * k), (x + w * 0.5, y - h * k)], 0.009, (112, 114, 122)
                )
        pen.oval(x, y, w * 1.3, 0.022, (76, 108, 62), plain=True)


def _forest(pen: Pen, rng: Random) -> None:
    pen.fade(-0.1, HORIZON - 0.02, 1.1, 1.1, (96, 112, 60), (70, 82, 44))
    for i in range(10):
        x, s = i / 9 + rng.uniform(-0.03, 0.03), rng.uniform(0.34, 0.46)
        conifer(pen, x, HORIZON + 0.05, s, (58, 112, 84))
    pen.poly([(0.42, 0.56), (0.56, 0.56), (0.86, 1.1), (0.2, 1.1)], (156, 126, 84))
    for x in (0.0, 0.19, 0.82, 1.0):
        conifer(pen, x + rng.uniform(-0.03, 0.03), 0.76, rng.uniform(0.6, 0.74), (38, 116, 62))
    for _ in range(8):
        x, y = rng.random(), rng.uniform(0.84, 1.0)
        pen.oval(x, y, 0.05, 0.03, (66, 116, 52), plain=True)


def _beach(pen: Pen, rng: Random) -> None:
    pen.fade(-0.1, HORIZON, 1.1, 0.76, (40, 128, 186), (96, 196, 214))
    for _ in range(9):
        x, y = rng.random(), rng.uniform(HORIZON + 0.02, 0.69)
        pen.line([(x, y), (x + 0.1, y)], 0.009, (190, 228, 240))
    shore = [(-0.2, 0.73), (0.2, 0.7), (0.6, 0.74), (1.2, 0.69)]
    pen.blob([(-0.2, 1.2), *shore, (1.2, 1.2)], (240, 218, 162), plain=True)
    pen.curve(shore, 0.02, WHITE)
    side = rng.choice((0.1, 0.9))
    lean = 0.08 if side < 0.5 else -0.08
    pen.curve([(side, 0.9), (side + lean * 0.2, 0.6), (side + lean, 0.28)], 0.04, (150, 108, 66))
    for dx, dy in (
        (-0.2, 0.06),
        (-0.17, -0.05),
        (-0.06, -0.12),
        (0.1, -0.11),
        (0.2, -0.02),
        (0.19, 0.1),
    ):
        x, y = side + lean, 0.28
        tip = (x + dx, y + dy + 0.04)
        pen.blob(
            [(x, y), (x + dx * 0.5, y + dy * 0.7 - 0.05), tip, (x + dx * 0.5, y + dy * 0.5)],
            (52, 140, 70),
        )
    for _ in range(5):
        pen.oval(rng.random(), rng.uniform(0.8, 0.98), 0.014, 0.009, (214, 186, 128), plain=True)


def _pond(pen: Pen, rng: Random) -> None:
    pen.fade(-0.1, HORIZON, 1.1, 1.1, (134, 184, 92), (96, 150, 70))
    for i in range(8):
        x = i / 7 + rng.uniform(-0.03, 0.03)
        pen.oval(x, HORIZON, 0.11, rng.uniform(0.09, 0.15), (76, 138, 72))
    pen.blob(
        [(-0.1, 0.74), (0.2, 0.62), (0.7, 0.61), (1.1, 0.7), (0.9, 0.88), (0.2, 0.9)], (76, 120, 64)
    )
    pen.blob(
        [(-0.06, 0.74), (0.22, 0.64), (0.7, 0.63), (1.06, 0.71), (0.86, 0.86), (0.22, 0.88)],
        (74, 152, 184),
    )
    for x, y in ((0.14, 0.73), (0.27, 0.81), (0.8, 0.7), (0.74, 0.82), (0.9, 0.77)):
        x += rng.uniform(-0.02, 0.02)
        pen.oval(x, y, 0.058, 0.021, (92, 186, 92))
        if rng.random() < 0.6:
            pen.oval(x, y - 0.016, 0.024, 0.02, (250, 176, 206))
    for x in (0.02, 0.06, 0.11, 0.9, 0.94, 0.98):
        h = rng.uniform(0.22, 0.34)
        pen.line([(x, 0.92), (x, 0.92 - h)], 0.012, (84, 124, 58))
        pen.oval(x, 0.92 - h, 0.018, 0.055, (118, 74, 44))


def _snowy_mountain(pen: Pen, rng: Random) -> None:
    for x, top, w in ((0.22, 0.2, 0.36), (0.8, 0.13, 0.4), (0.5, 0.28, 0.28)):
        x, top = x + rng.uniform(-0.05, 0.05), top + rng.uniform(-0.04, 0.04)
        pen.poly([(x, top), (x + w, 0.62), (x - w, 0.62)], (112, 124, 152))
        pen.poly([(x, top), (x + w, 0.62), (x + w * 0.25, 0.62)], (88, 98, 128), plain=True)
        drop = 0.17
        k = drop / (0.62 - top) * w
        pen.poly(
            [
                (x, top),
                (x + k, top + drop),
                (x + k * 0.45, top + drop * 0.7),
                (x, top + drop * 1.05),
                (x - k * 0.4, top + drop * 0.72),
                (x - k, top + drop),
            ],
            (250, 252, 255),
            plain=True,
        )
    pen.blob(
        [(-0.2, 1.2), (-0.2, 0.58), (0.3, 0.6), (0.7, 0.56), (1.2, 0.6), (1.2, 1.2)],
        (226, 236, 248),
    )
    pen.blob(
        [(-0.2, 1.2), (-0.2, 0.8), (0.4, 0.72), (1.2, 0.84), (1.2, 1.2)],
        (246, 250, 255),
        plain=True,
    )
    for x in (0.05, 0.15, 0.93):
        conifer(pen, x, 0.76, rng.uniform(0.22, 0.3), (60, 110, 92))


def _waterfall(pen: Pen, rng: Random) -> None:
    x = 0.5 + rng.uniform(-0.12, 0.12)
    pen.blob(
        [(-0.2, 0.8), (-0.2, 0.2), (0.2, 0.12), (x, 0.16), (0.8, 0.1), (1.2, 0.22), (1.2, 0.8)],
        (112, 108, 104),
    )
    for _ in range(7):
        cx, cy = rng.random(), rng.uniform(0.26, 0.56)
        pen.blob(
            [(cx - 0.09, cy), (cx, cy - 0.05), (cx + 0.09, cy), (cx, cy + 0.03)],
            (88, 86, 86),
            plain=True,
        )
    for _ in range(6):
        cx = rng.choice((rng.uniform(0, x - 0.2), rng.uniform(x + 0.2, 1)))
        pen.oval(cx, 0.17, 0.09, 0.05, (84, 144, 76))
    pen.poly(
        [(x - 0.13, 0.14), (x + 0.13, 0.14), (x + 0.19, 0.7), (x - 0.19, 0.7)], (186, 224, 244)
    )
    for k in range(6):
        sx = x - 0.11 + 0.044 * k
        pen.line([(sx, 0.16), (sx + (sx - x) * 0.45, 0.68)], 0.012, WHITE)
    pen.fade(-0.1, 0.64, 1.1, 1.1, (70, 160, 176), (44, 120, 140))
    for k in range(7):
        pen.oval(
            x - 0.21 + 0.07 * k, 0.68 + rng.uniform(-0.01, 0.01), 0.055, 0.04, WHITE, plain=True
        )
    for cx, cy in ((0.06, 0.82), (0.94, 0.8), (0.2, 0.98), (0.82, 0.99)):
        pen.blob(
            [(cx - 0.12, cy), (cx - 0.03, cy - 0.08), (cx + 0.1, cy), (cx, cy + 0.05)],
            (120, 116, 112),
        )


def _canyon(pen: Pen, rng: Random) -> None:
    pen.fade(-0.1, HORIZON, 1.1, 1.1, (226, 154, 98), (188, 110, 68))
    for x, w, top in ((0.12, 0.26, 0.2), (0.88, 0.28, 0.24), (0.5, 0.12, 0.34)):
        x, top = x + rng.uniform(-0.04, 0.04), top + rng.uniform(-0.04, 0.04)
        for k, colour in enumerate(((206, 112, 70), (224, 138, 86), (186, 94, 62), (212, 122, 76))):
            y0, y1 = top + (0.66 - top) * k / 4, top + (0.66 - top) * (k + 1) / 4
            a, b = w * (0.62 + 0.1 * k), w * (0.7 + 0.1 * k)
            pen.poly([(x - a, y0), (x + a, y0), (x + b, y1), (x - b, y1)], colour)
    for x, y in ((0.08, 0.86), (0.93, 0.9)):
        pen.line([(x, y), (x, y - 0.22)], 0.034, (84, 136, 72))
        for side in (-1, 1):
            pen.line(
                [(x, y - 0.08), (x + side * 0.05, y - 0.1), (x + side * 0.05, y - 0.17)],
                0.024,
                (84, 136, 72),
            )
    for _ in range(6):
        pen.oval(rng.random(), rng.uniform(0.76, 1), 0.03, 0.016, (160, 88, 56), plain=True)


def _pasture(pen: Pen, rng: Random) -> None:
    _hills(pen, rng, (126, 178, 104), 0.16)
    pen.fade(-0.1, HORIZON + 0.02, 1.1, 1.1, (150, 202, 96), (104, 168, 70))
    x = rng.choice((0.16, 0.84))
    pen.rect(x - 0.1, 0.36, x + 0.1, 0.54, (182, 62, 54))
    pen.poly([(x - 0.13, 0.37), (x - 0.07, 0.28), (x + 0.07, 0.28), (x + 0.13, 0.37)], (96, 76, 84))
    pen.rect(x - 0.04, 0.43, x + 0.04, 0.54, WHITE)
    for i in range(11):
        post = i / 10
        pen.rect(post - 0.011, 0.56, post + 0.011, 0.7, (222, 206, 178))
    for y in (0.59, 0.645):
        pen.rect(-0.1, y, 1.1, y + 0.018, (222, 206, 178))
    for _ in range(3):
        cx, cy = rng.random(), rng.uniform(0.5, 0.53)
        pen.oval(cx, cy, 0.035, 0.022, WHITE)
        pen.oval(cx + 0.035, cy - 0.008, 0.014, 0.014, (50, 46, 52), plain=True)
    for _ in range(12):
        cx, cy = rng.random(), rng.uniform(0.76, 1)
        pen.line([(cx - 0.012, cy), (cx, cy - 0.03), (cx + 0.012, cy)], 0.009, (84, 144, 58))


def _underwater(pen: Pen, rng: Random) -> None:
    pen.fade(-0.1, 0.16, 1.1, 1.1, (70, 170, 200), (20, 76, 120))
    for k in range(4):
        x = 0.1 + 0.26 * k + rng.uniform(-0.05, 0.05)
        pen.poly(
            [(x, 0.16), (x + 0.07, 0.16), (x - 0.02, 0.8), (x - 0.16, 0.8)], (170, 226, 236, 60)
        )
    pen.blob(
        [(-0.2, 1.2), (-0.2, 0.8), (0.3, 0.76), (0.7, 0.82), (1.2, 0.76), (1.2, 1.2)],
        (212, 190, 140),
    )
    for x, colour in ((0.08, (232, 98, 110)), (0.92, (240, 146, 70)), (0.8, (190, 100, 190))):
        x += rng.uniform(-0.03, 0.03)
        for lean in (-0.07, 0, 0.07):
            pen.curve([(x, 0.9), (x + lean * 0.4, 0.78), (x + lean, 0.68)], 0.034, colour)
    for x in (0.2, 0.26, 0.72):
        sway = rng.uniform(-0.04, 0.04)
        pen.curve(
            [(x, 0.9), (x + sway, 0.72), (x - sway, 0.56), (x + sway, 0.42)], 0.03, (52, 140, 84)
        )
    for _ in range(4):
        x, y, flip = rng.random(), rng.uniform(0.24, 0.6), rng.choice((-1, 1))
        colour = rng.choice([(250, 170, 50), (240, 90, 100), (250, 230, 110)])
        pen.poly(
            [(x - flip * 0.035, y), (x - flip * 0.07, y - 0.026), (x - flip * 0.07, y + 0.026)],
            colour,
        )
        pen.oval(x, y, 0.044, 0.026, colour)
    for _ in range(8):
        pen.ring(
            rng.random(), rng.uniform(0.2, 0.8), rng.uniform(0.008, 0.018), 0.006, (220, 244, 250)
        )
    pen.curve(
        [(-0.1, 0.16), (0.2, 0.18), (0.5, 0.15), (0.8, 0.18), (1.1, 0.16)], 0.022, (220, 244, 250)
    )


PAINTERS: dict[str, Painter] = {
    "cemetery": _cemetery,
    "forest": _forest,
    "beach": _beach,
    "pond": _pond,
    "snowy mountain": _snowy_mountain,
    "waterfall": _waterfall,
    "canyon": _canyon,
    "pasture": _pasture,
    "underwater": _underwater,
}
