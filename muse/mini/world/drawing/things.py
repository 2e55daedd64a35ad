"""Subjects without a face, drawn about 1 unit tall, standing on y = 0, centred on x = 0."""

from __future__ import annotations

import math
from random import Random

from muse.mini.world.drawing.pen import BRIGHTS, INK, WHITE, Painter, Pen

GLASS = (186, 226, 246)


def _house(pen: Pen, rng: Random) -> None:
    wall = rng.choice([(240, 222, 188), (214, 226, 232), (236, 200, 180)])
    roof = rng.choice([(176, 66, 54), (92, 80, 110)])
    pen.rect(0.24, -1.06, 0.38, -0.7, (150, 84, 70))
    pen.rect(-0.5, -0.6, 0.5, 0, wall)
    pen.poly([(-0.64, -0.58), (0, -1.08), (0.64, -0.58)], roof)
    pen.rect(-0.11, -0.38, 0.11, 0, (116, 74, 46))
    pen.oval(0.06, -0.18, 0.02, 0.02, (250, 210, 90), plain=True)
    for x in (-0.31, 0.31):
        pen.rect(x - 0.12, -0.48, x + 0.12, -0.22, GLASS)
        pen.line([(x, -0.48), (x, -0.22)], 0.02, WHITE)
        pen.line([(x - 0.12, -0.35), (x + 0.12, -0.35)], 0.02, WHITE)


def _castle(pen: Pen, rng: Random) -> None:
    stone, dark = rng.choice(
        [((190, 186, 184), (150, 146, 150)), ((214, 196, 164), (170, 150, 122))]
    )
    flag = rng.choice(BRIGHTS)
    pen.rect(-0.52, -0.6, 0.52, 0, stone)
    for i in range(5):
        pen.rect(-0.5 + 0.22 * i, -0.7, -0.38 + 0.22 * i, -0.6, stone)
    for x, top in ((-0.62, -0.9), (0.62, -0.9), (0, -1.04)):
        pen.rect(x - 0.15, top, x + 0.15, 0, dark if x else stone)
        pen.poly([(x - 0.2, top), (x, top - 0.3), (x + 0.2, top)], (90, 96, 150))
        pen.rect(x - 0.04, top + 0.1, x + 0.04, top + 0.26, INK)
    pen.poly([(0, -1.34), (0, -1.5), (0.2, -1.42)], flag)
    pen.rect(-0.13, -0.22, 0.13, 0, (92, 60, 40))
    pen.oval(0, -0.24, 0.13, 0.13, (92, 60, 40))


def _umbrella(pen: Pen, rng: Random) -> None:
    one, two = rng.choice(
        [((150, 70, 200), WHITE), ((220, 60, 70), WHITE), ((40, 130, 190), WHITE)]
    )
    pen.line([(0, -0.94), (0, -0.08)], 0.05, (90, 66, 54))
    pen.curve([(0, -0.1), (-0.04, 0), (-0.14, 0), (-0.16, -0.1)], 0.05, (90, 66, 54))
    edges = [-0.68, -0.41, -0.14, 0.14, 0.41, 0.68]
    for i in range(5):
        a, b = edges[i], edges[i + 1]
        arc = []
        for k in range(5):
            x = a + (b - a) * k / 4
            arc.append((x, -0.52 - 0.52 * math.sqrt(max(0.0, 1 - (x / 0.68) ** 2))))
        pen.poly([*arc, (b, -0.5), ((a + b) / 2, -0.58), (a, -0.5)], one if i % 2 == 0 else two)
    pen.line([(0, -1.14), (0, -1.02)], 0.05, (90, 66, 54))


def _guitar(pen: Pen, rng: Random) -> None:
    wood = rng.choice([(216, 136, 60), (176, 84, 44), (236, 190, 110)])
    pen.rect(-0.055, -1.14, 0.055, -0.5, (84, 52, 34))
    pen.rect(-0.1, -1.3, 0.1, -1.1, (60, 38, 26))
    pen.blob(
        [
            (-0.2, -0.66),
            (0.2, -0.66),
            (0.2, -0.46),
            (0.36, -0.2),
            (0.2, 0),
            (-0.2, 0),
            (-0.36, -0.2),
            (-0.2, -0.46),
        ],
        wood,
    )
    pen.oval(0, -0.42, 0.1, 0.1, (50, 30, 22))
    pen.rect(-0.14, -0.18, 0.14, -0.13, (60, 38, 26))
    for x in (-0.025, 0.025):
        pen.line([(x, -1.14), (x, -0.16)], 0.016, WHITE)


def _drum(pen: Pen, rng: Random) -> None:
    shell = rng.choice([(206, 40, 50), (40, 100, 190), (60, 150, 90)])
    pen.rect(-0.54, -0.62, 0.54, -0.12, shell)
    pen.oval(0, -0.12, 0.54, 0.12, shell)
    for i in range(6):
        x = -0.54 + 0.216 * i
        pen.line(
            [(x, -0.58), (x + 0.108, -0.06), (min(x + 0.216, 0.54), -0.58)], 0.028, (250, 214, 90)
        )
    pen.oval(0, -0.62, 0.56, 0.15, (250, 214, 90))
    pen.oval(0, -0.63, 0.5, 0.12, WHITE)
    for side in (-1, 1):
        pen.line([(side * 0.08, -0.66), (side * 0.5, -1.06)], 0.05, (200, 150, 90))
        pen.oval(side * 0.08, -0.66, 0.06, 0.05, (200, 150, 90))


def _bench(pen: Pen, rng: Random) -> None:
    wood = rng.choice([(158, 102, 58), (120, 150, 110), (176, 120, 76)])
    for x in (-0.62, 0.62):
        pen.rect(x - 0.05, -0.78, x + 0.05, 0, (64, 66, 74))
    for y in (-0.76, -0.6, -0.44):
        pen.rect(-0.78, y, 0.78, y + 0.11, wood)
    pen.poly([(-0.86, -0.2), (-0.74, -0.32), (0.74, -0.32), (0.86, -0.2)], wood)
    pen.rect(-0.86, -0.2, 0.86, -0.14, (110, 70, 40))
    for x in (-0.66, 0.66):
        pen.rect(x - 0.05, -0.14, x + 0.05, 0, (64, 66, 74))


def _chair(pen: Pen, rng: Random) -> None:
    wood, seat = rng.choice([((150, 98, 60), (206, 70, 70)), ((90, 66, 50), (90, 130, 170))])
    for x in (-0.3, 0.2):
        pen.rect(x, -1.1, x + 0.09, -0.46, wood)
    for y in (-1.04, -0.84):
        pen.rect(-0.3, y, 0.29, y + 0.12, wood)
    for x in (-0.36, -0.24, 0.2, 0.34):
        pen.rect(x, -0.4, x + 0.08, 0, wood)
    pen.poly([(-0.42, -0.38), (-0.3, -0.56), (0.32, -0.56), (0.46, -0.38)], seat)
    pen.rect(-0.42, -0.38, 0.46, -0.3, wood)


def _skull(pen: Pen, rng: Random) -> None:
    bone = rng.choice([(242, 236, 220), (226, 214, 186)])
    pen.blob(
        [(-0.46, -0.62), (-0.3, -0.98), (0.3, -0.98), (0.46, -0.62), (0.3, -0.34), (-0.3, -0.34)],
        bone,
    )
    pen.rect(-0.26, -0.4, 0.26, -0.04, bone)
    pen.oval(0, -0.1, 0.26, 0.1, bone)
    for side in (-1, 1):
        pen.oval(side * 0.19, -0.62, 0.14, 0.15, INK, plain=True)
    pen.poly([(0, -0.5), (-0.07, -0.36), (0.07, -0.36)], INK, plain=True)
    for x in (-0.16, -0.05, 0.05, 0.16):
        pen.line([(x, -0.24), (x, -0.04)], 0.03, INK)


def _cake(pen: Pen, rng: Random) -> None:
    icing, sponge = rng.choice([((252, 180, 200), (236, 200, 150)), ((150, 96, 66), (120, 70, 46))])
    pen.oval(0, -0.03, 0.66, 0.07, (226, 228, 236))
    pen.rect(-0.5, -0.4, 0.5, -0.04, sponge)
    pen.rect(-0.5, -0.26, 0.5, -0.2, WHITE, plain=True)
    pen.blob(
        [(-0.52, -0.44), (0, -0.5), (0.52, -0.44), (0.44, -0.3), (0.16, -0.36), (-0.2, -0.28)],
        icing,
    )
    pen.rect(-0.32, -0.74, 0.32, -0.44, icing)
    for i in range(5):
        pen.oval(-0.26 + 0.13 * i, -0.72, 0.075, 0.08, WHITE)
    for x in (-0.18, 0, 0.18):
        pen.rect(x - 0.025, -1.0, x + 0.025, -0.78, (90, 160, 230))
        pen.oval(x, -1.06, 0.04, 0.065, (255, 200, 60))


def _mug(pen: Pen, rng: Random) -> None:
    paint = rng.choice([(230, 90, 80), (80, 150, 190), (240, 240, 236)])
    pen.ring(0.42, -0.38, 0.2, 0.085, paint)
    pen.rect(-0.4, -0.72, 0.36, -0.06, paint)
    pen.oval(-0.02, -0.07, 0.38, 0.08, paint)
    pen.oval(-0.02, -0.72, 0.38, 0.1, WHITE)
    pen.oval(-0.02, -0.71, 0.32, 0.075, (104, 66, 42))
    pen.oval(-0.02, -0.36, 0.13, 0.12, (252, 226, 150))
    for x in (-0.14, 0.1):
        pen.curve(
            [(x, -0.84), (x + 0.08, -0.96), (x - 0.04, -1.06), (x + 0.04, -1.18)], 0.05, WHITE
        )


def _fir(pen: Pen, rng: Random) -> None:
    green = rng.choice([(34, 120, 66), (44, 104, 72)])
    pen.rect(-0.08, -0.18, 0.08, 0, (110, 70, 44))
    for k, (top, low, half) in enumerate(
        ((-0.6, -0.14, 0.56), (-0.88, -0.44, 0.44), (-1.14, -0.74, 0.32))
    ):
        pen.poly([(0, top - 0.06), (half, low), (-half, low)], green)
        for i in range(4 - k):
            x = half * 0.7 * ((i + 0.5) / (4 - k) * 2 - 1)
            pen.oval(x, low - 0.07, 0.06, 0.06, BRIGHTS[(i + k) % 5], plain=True)
    star = []
    for i in range(10):
        a, r = -math.pi / 2 + i * math.pi / 5, 0.15 if i % 2 == 0 else 0.06
        star.append((r * math.cos(a), -1.2 + r * math.sin(a)))
    pen.poly(star, (255, 214, 60))


def _rose(pen: Pen, rng: Random) -> None:
    petal, deep = rng.choice([((222, 40, 66), (160, 18, 44)), ((250, 150, 180), (220, 90, 130))])
    pen.curve([(0, -0.7), (0.05, -0.36), (0, 0)], 0.065, (62, 130, 62))
    for side, y in ((-1, -0.3), (1, -0.44)):
        pen.oval(side * 0.18, y, 0.18, 0.08, (70, 150, 70), turn=side * -0.5)
    for i in range(6):
        a = i * math.pi / 3
        pen.oval(0.2 * math.cos(a), -0.86 + 0.18 * math.sin(a), 0.17, 0.16, petal)
    pen.oval(0, -0.86, 0.2, 0.19, deep)
    pen.curve([(-0.1, -0.84), (0, -0.94), (0.1, -0.84), (0, -0.78), (-0.04, -0.86)], 0.04, petal)


def _lantern(pen: Pen, rng: Random) -> None:
    metal = rng.choice([(70, 70, 82), (150, 104, 50)])
    pen.ring(0, -1.04, 0.13, 0.05, metal)
    pen.poly([(-0.34, -0.76), (-0.12, -0.96), (0.12, -0.96), (0.34, -0.76)], metal)
    pen.rect(-0.26, -0.76, 0.26, -0.16, (252, 226, 150))
    pen.blob([(0, -0.66), (0.1, -0.4), (0, -0.26), (-0.1, -0.4)], (255, 150, 40), plain=True)
    for x in (-0.26, 0, 0.26):
        pen.line([(x, -0.76), (x, -0.16)], 0.045, metal)
    pen.rect(-0.36, -0.16, 0.36, 0, metal)


def _bin(pen: Pen, rng: Random) -> None:
    paint, dark = rng.choice([((110, 140, 120), (78, 104, 88)), ((150, 152, 160), (110, 112, 122))])
    pen.blob([(-0.3, -0.78), (-0.1, -1.0), (0.1, -0.86), (0.28, -0.98), (0.3, -0.74)], (60, 60, 66))
    pen.poly([(0.02, -0.8), (0.2, -1.08), (0.34, -1.0), (0.24, -0.78)], (220, 190, 80))
    pen.poly([(-0.4, -0.72), (0.4, -0.72), (0.32, 0), (-0.32, 0)], paint)
    for x in (-0.2, 0, 0.2):
        pen.line([(x * 1.1, -0.66), (x * 0.9, -0.06)], 0.05, dark)
    pen.rect(-0.46, -0.8, 0.46, -0.7, dark)


PAINTERS: dict[str, Painter] = {
    "house": _house,
    "castle": _castle,
    "umbrella": _umbrella,
    "guitar": _guitar,
    "drum": _drum,
    "bench": _bench,
    "chair": _chair,
    "skull": _skull,
    "cake": _cake,
    "mug": _mug,
    "christmas tree": _fir,
    "rose": _rose,
    "lantern": _lantern,
    "bin": _bin,
}
