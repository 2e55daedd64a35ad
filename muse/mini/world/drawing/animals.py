"""Subjects with a face, drawn about 1 unit tall, standing on y = 0, centred on x = 0."""

from __future__ import annotations

import math
from collections.abc import Callable
from random import Random

from muse.mini.world.drawing.faces import face
from muse.mini.world.drawing.pen import INK, WHITE, Colour, Pen


def _legs(pen: Pen, xs: tuple[float, ...], top: float, width: float, colour: Colour) -> None:
    for x in xs:
        pen.blob([(x - width, top), (x + width, top), (x + width, -0.02), (x - width, 0)], colour)


def _dog(pen: Pen, rng: Random, mood: str) -> None:
    coat, dark = rng.choice([((190, 132, 76), (112, 66, 38)), ((222, 184, 130), (150, 98, 56))])
    pen.curve([(-0.42, -0.34), (-0.6, -0.5), (-0.58, -0.72)], 0.09, coat)
    _legs(pen, (-0.36, -0.2, 0.1, 0.24), -0.3, 0.06, coat)
    pen.blob(
        [(-0.46, -0.42), (-0.1, -0.54), (0.3, -0.52), (0.34, -0.24), (0, -0.18), (-0.44, -0.2)],
        coat,
    )
    pen.oval(0.28, -0.7, 0.3, 0.27, coat)
    for side in (-1, 1):
        pen.oval(0.28 + side * 0.3, -0.68, 0.1, 0.24, dark, turn=side * -0.25)
    pen.oval(0.28, -0.6, 0.17, 0.14, WHITE)
    face(pen, 0.28, -0.7, 0.29, mood)
    pen.oval(0.28, -0.66, 0.06, 0.045, INK)
    pen.rect(0.1, -0.46, 0.44, -0.41, (214, 40, 44))


def _cat(pen: Pen, rng: Random, mood: str) -> None:
    coat, belly = rng.choice([((92, 92, 106), (222, 220, 226)), ((236, 150, 70), (255, 236, 210))])
    pen.curve([(0.16, -0.06), (0.48, -0.1), (0.5, -0.4), (0.4, -0.58)], 0.1, coat)
    pen.blob(
        [(-0.14, -0.56), (0.14, -0.56), (0.3, -0.08), (0.2, 0), (-0.2, 0), (-0.3, -0.08)], coat
    )
    pen.oval(0, -0.22, 0.14, 0.2, belly)
    for side in (-1, 1):
        pen.poly([(side * 0.3, -1.04), (side * 0.04, -0.88), (side * 0.28, -0.68)], coat)
        pen.poly(
            [(side * 0.26, -0.96), (side * 0.12, -0.88), (side * 0.24, -0.78)],
            (244, 170, 180),
            plain=True,
        )
        pen.oval(side * 0.12, -0.03, 0.1, 0.055, belly)
    pen.oval(0, -0.7, 0.32, 0.26, coat)
    for side in (-1, 1):
        for dy in (-0.04, 0.04):
            pen.line([(side * 0.14, -0.6), (side * 0.44, -0.6 + dy * 2)], 0.018, WHITE)
    face(pen, 0, -0.72, 0.28, mood)
    pen.oval(0, -0.64, 0.04, 0.03, (240, 120, 140), plain=True)


def _horse(pen: Pen, rng: Random, mood: str) -> None:
    coat, mane = rng.choice([((214, 208, 200), (126, 96, 74)), ((150, 92, 56), (60, 38, 28))])
    pen.curve([(-0.46, -0.56), (-0.64, -0.44), (-0.6, -0.14)], 0.12, mane)
    for x in (-0.4, -0.26, 0.14, 0.28):
        pen.rect(x - 0.05, -0.46, x + 0.05, -0.06, coat)
        pen.rect(x - 0.06, -0.09, x + 0.06, 0, mane)
    pen.blob(
        [(-0.5, -0.56), (-0.2, -0.68), (0.2, -0.66), (0.36, -0.46), (0.1, -0.34), (-0.44, -0.36)],
        coat,
    )
    pen.poly([(0.08, -0.6), (0.22, -0.98), (0.5, -0.94), (0.36, -0.44)], coat)
    pen.curve([(0.34, -1.2), (0.14, -1.0), (0.06, -0.64)], 0.14, mane)
    for x in (0.24, 0.54):
        pen.poly([(x - 0.06, -1.14), (x, -1.32), (x + 0.06, -1.12)], coat)
    pen.blob([(0.18, -1.06), (0.4, -1.2), (0.62, -1.06), (0.56, -0.72), (0.24, -0.72)], coat)
    pen.oval(0.4, -0.76, 0.2, 0.13, WHITE)
    face(pen, 0.4, -0.94, 0.26, mood)


def _duck(pen: Pen, rng: Random, mood: str) -> None:
    body, wing = rng.choice([((250, 216, 60), (224, 176, 30)), ((240, 240, 236), (204, 206, 210))])
    for x in (-0.12, 0.1):
        pen.line([(x, -0.12), (x, -0.02), (x + 0.1, -0.01)], 0.06, (240, 126, 30))
    pen.blob(
        [(-0.62, -0.58), (-0.34, -0.42), (0.12, -0.46), (0.38, -0.3), (0.16, -0.08), (-0.34, -0.1)],
        body,
    )
    pen.oval(-0.1, -0.28, 0.25, 0.14, wing, turn=-0.15)
    pen.oval(0.2, -0.7, 0.3, 0.28, body)
    face(pen, 0.2, -0.74, 0.27, mood)
    pen.oval(0.2, -0.6, 0.2, 0.075, (244, 132, 30))
    if mood in ("laughing", "excited", "amazed", "frightened"):
        pen.oval(0.2, -0.52, 0.15, 0.07, (200, 84, 20))


def _eagle(pen: Pen, rng: Random, mood: str) -> None:
    brown, light = rng.choice([((98, 66, 44), (140, 98, 64)), ((76, 58, 50), (118, 92, 76))])
    for side in (-1, 1):
        pen.blob(
            [
                (side * 0.14, -0.66),
                (side * 0.6, -0.98),
                (side * 0.86, -0.86),
                (side * 0.72, -0.56),
                (side * 0.5, -0.4),
                (side * 0.14, -0.3),
            ],
            brown,
        )
        for k in range(3):
            tip = (side * (0.84 - 0.12 * k), -0.72 + 0.14 * k)
            pen.line([(side * 0.3, -0.56 + 0.06 * k), tip], 0.035, light)
        pen.line([(side * 0.1, -0.16), (side * 0.14, 0)], 0.06, (240, 180, 40))
    pen.poly([(-0.14, -0.24), (0.14, -0.24), (0.2, -0.02), (-0.2, -0.02)], WHITE)
    pen.blob([(-0.2, -0.62), (0.2, -0.62), (0.22, -0.28), (0, -0.12), (-0.22, -0.28)], brown)
    pen.oval(0, -0.8, 0.26, 0.25, WHITE)
    face(pen, 0, -0.84, 0.24, mood)
    pen.poly([(-0.09, -0.8), (0.09, -0.8), (0.02, -0.6)], (248, 186, 40))


def _lion(pen: Pen, rng: Random, mood: str) -> None:
    coat = rng.choice([(232, 178, 96), (222, 164, 84)])
    mane = rng.choice([(160, 88, 36), (134, 70, 32)])
    pen.curve([(-0.44, -0.3), (-0.66, -0.4), (-0.62, -0.7)], 0.06, coat)
    pen.oval(-0.61, -0.74, 0.08, 0.1, mane)
    _legs(pen, (-0.38, -0.22, 0.12, 0.3), -0.3, 0.075, coat)
    pen.blob(
        [(-0.5, -0.44), (-0.1, -0.54), (0.3, -0.5), (0.34, -0.22), (0, -0.16), (-0.46, -0.2)], coat
    )
    ruff = []
    for i in range(22):
        a, r = 2 * math.pi * i / 22, 0.47 if i % 2 else 0.38
        ruff.append((0.22 + r * math.cos(a), -0.68 + r * 0.95 * math.sin(a)))
    pen.poly(ruff, mane)
    for side in (-1, 1):
        pen.oval(0.22 + side * 0.24, -0.92, 0.08, 0.08, coat)
    pen.oval(0.22, -0.68, 0.29, 0.28, coat)
    pen.oval(0.22, -0.56, 0.15, 0.11, WHITE, plain=True)
    face(pen, 0.22, -0.7, 0.28, mood)
    pen.poly([(0.15, -0.65), (0.29, -0.65), (0.22, -0.58)], INK, plain=True)


def _snake(pen: Pen, rng: Random, mood: str) -> None:
    skin, spots = rng.choice([((70, 156, 62), (236, 216, 80)), ((196, 150, 60), (110, 62, 30))])
    for rx, y in ((0.52, -0.1), (0.42, -0.26), (0.3, -0.4)):
        pen.oval(0, y, rx, 0.13, skin)
        for i in range(4):
            x = rx * (i - 1.5) / 2.2
            pen.poly(
                [(x - 0.06, y), (x, y - 0.05), (x + 0.06, y), (x, y + 0.05)], spots, plain=True
            )
    pen.curve([(-0.1, -0.42), (-0.16, -0.58), (0.02, -0.7), (0.12, -0.78)], 0.18, skin)
    pen.line([(0.16, -0.66), (0.16, -0.52), (0.1, -0.46)], 0.03, (220, 30, 60))
    pen.line([(0.16, -0.52), (0.22, -0.46)], 0.03, (220, 30, 60))
    pen.blob([(-0.14, -0.86), (0.16, -1.02), (0.46, -0.86), (0.34, -0.66), (-0.02, -0.66)], skin)
    face(pen, 0.16, -0.82, 0.23, mood)


def _spider(pen: Pen, rng: Random, mood: str) -> None:
    body, mark = rng.choice([((50, 42, 54), (214, 40, 44)), ((92, 58, 44), (232, 176, 80))])
    for side in (-1, 1):
        for knee, foot in (
            ((0.4, -0.96), (0.72, -0.7)),
            ((0.54, -0.74), (0.84, -0.3)),
            ((0.5, -0.5), (0.78, -0.02)),
            ((0.36, -0.32), (0.46, 0.0)),
        ):
            limb = [(side * 0.1, -0.46), (side * knee[0], knee[1]), (side * foot[0], foot[1])]
            pen.line(limb, 0.06, body)
    pen.oval(0, -0.78, 0.26, 0.24, body)
    pen.oval(0, -0.77, 0.18, 0.16, mark)
    pen.oval(0, -0.42, 0.34, 0.32, (212, 204, 214))
    pen.oval(0, -0.42, 0.3, 0.28, body)
    pen.oval(0, -0.4, 0.26, 0.23, (226, 216, 222), plain=True)
    face(pen, 0, -0.42, 0.26, mood)


def _beetle(pen: Pen, rng: Random, mood: str) -> None:
    shell = rng.choice([(40, 110, 92), (66, 74, 150), (120, 56, 44)])
    for x in (-0.44, -0.14, 0.16):
        pen.line([(x, -0.2), (x - 0.08, -0.06), (x - 0.16, 0)], 0.06, INK)
    for side in (-1, 1):
        pen.curve(
            [(0.42, -0.62), (0.46 + side * 0.14, -0.86), (0.42 + side * 0.26, -0.98)], 0.04, INK
        )
    pen.blob([(-0.64, -0.14), (-0.5, -0.52), (-0.1, -0.68), (0.3, -0.46), (0.3, -0.12)], shell)
    pen.curve([(-0.1, -0.66), (-0.22, -0.4), (-0.2, -0.12)], 0.03, INK)
    for x, y in ((-0.4, -0.32), (-0.02, -0.5), (0.06, -0.26)):
        pen.oval(x, y, 0.06, 0.06, (20, 26, 34), plain=True)
    pen.oval(0.42, -0.42, 0.27, 0.26, (232, 208, 170))
    face(pen, 0.42, -0.44, 0.25, mood)


def _caterpillar(pen: Pen, rng: Random, mood: str) -> None:
    pale, green = rng.choice([((176, 206, 70), (120, 160, 44)), ((214, 190, 90), (150, 130, 50))])
    for i in range(5):
        x, y = -0.62 + 0.22 * i, -0.2 - (0.14 if i % 2 else 0)
        for dx in (-0.06, 0.06):
            pen.line([(x + dx, y + 0.1), (x + dx, y + 0.26)], 0.04, (90, 70, 40))
        pen.oval(x, y, 0.19, 0.19, pale if i % 2 else green)
        pen.oval(x, y - 0.06, 0.05, 0.04, (250, 120, 60), plain=True)
    for side in (-1, 1):
        pen.line([(0.46 + side * 0.1, -0.6), (0.46 + side * 0.2, -0.86)], 0.035, INK)
        pen.oval(0.46 + side * 0.2, -0.88, 0.045, 0.045, (250, 120, 60), plain=True)
    pen.oval(0.46, -0.42, 0.29, 0.28, pale)
    face(pen, 0.46, -0.44, 0.26, mood)


def _bee(pen: Pen, rng: Random, mood: str) -> None:
    for x, turn in ((-0.2, -0.5), (0.06, 0.2)):
        pen.oval(x, -0.8, 0.14, 0.28, (214, 236, 250, 220), turn=turn)
        pen.oval(x, -0.8, 0.03, 0.2, (160, 190, 220, 220), turn=turn, plain=True)
    pen.poly([(-0.72, -0.36), (-0.52, -0.46), (-0.52, -0.28)], INK)
    pen.oval(-0.14, -0.38, 0.44, 0.28, (250, 200, 50))
    for x in (-0.4, -0.16):
        half = 0.26 * math.sqrt(max(0.0, 1 - ((x + 0.14) / 0.44) ** 2))
        pen.rect(x - 0.06, -0.38 - half, x + 0.06, -0.38 + half, INK, plain=True)
    for x in (-0.22, -0.02, 0.16):
        pen.line([(x, -0.14), (x + 0.03, 0)], 0.035, INK)
    for side in (-1, 1):
        pen.curve(
            [(0.34, -0.58), (0.34 + side * 0.1, -0.8), (0.36 + side * 0.18, -0.84)], 0.035, INK
        )
    pen.oval(0.34, -0.42, 0.29, 0.27, (252, 214, 90))
    face(pen, 0.34, -0.44, 0.26, mood)


def _doll(pen: Pen, rng: Random, mood: str) -> None:
    dress = rng.choice([(226, 86, 130), (96, 130, 220), (150, 96, 200)])
    hair, skin = rng.choice([(150, 84, 40), (240, 200, 90), (60, 44, 40)]), (250, 214, 186)
    for side in (-1, 1):
        pen.line([(side * 0.1, -0.2), (side * 0.1, -0.04)], 0.09, WHITE)
        pen.oval(side * 0.12, -0.03, 0.1, 0.05, INK)
        pen.line([(side * 0.14, -0.48), (side * 0.38, -0.3)], 0.09, skin)
        pen.blob(
            [(side * 0.2, -0.92), (side * 0.46, -0.84), (side * 0.44, -0.52), (side * 0.26, -0.6)],
            hair,
        )
    pen.poly([(-0.14, -0.54), (0.14, -0.54), (0.36, -0.14), (-0.36, -0.14)], dress)
    pen.rect(-0.34, -0.2, 0.34, -0.15, WHITE, plain=True)
    pen.oval(0, -0.84, 0.36, 0.32, hair)
    pen.oval(0, -0.76, 0.28, 0.27, skin)
    face(pen, 0, -0.76, 0.27, mood)
    pen.poly([(-0.2, -1.2), (0, -1.1), (-0.2, -1.02)], dress)
    pen.poly([(0.2, -1.2), (0, -1.1), (0.2, -1.02)], dress)


def _pumpkin(pen: Pen, rng: Random, mood: str) -> None:
    pale, dark = rng.choice([((252, 158, 50), (226, 112, 24)), ((246, 136, 36), (206, 90, 20))])
    pen.blob([(-0.06, -0.72), (-0.04, -0.94), (0.14, -0.98), (0.08, -0.7)], (84, 120, 50))
    for x, rx in ((-0.34, 0.26), (0.34, 0.26), (-0.18, 0.28), (0.18, 0.28)):
        pen.oval(x, -0.38, rx, 0.37, dark if abs(x) > 0.3 else pale)
    pen.oval(0, -0.38, 0.24, 0.38, pale)
    pen.curve([(0.08, -0.76), (0.3, -0.9), (0.44, -0.8)], 0.035, (84, 140, 60))
    face(pen, 0, -0.4, 0.34, mood)


PAINTERS: dict[str, Callable[[Pen, Random, str], None]] = {
    "dog": _dog,
    "cat": _cat,
    "horse": _horse,
    "duck": _duck,
    "eagle": _eagle,
    "lion": _lion,
    "snake": _snake,
    "spider": _spider,
    "beetle": _beetle,
    "caterpillar": _caterpillar,
    "bee": _bee,
    "doll": _doll,
    "pumpkin": _pumpkin,
}
"""By subject; the last argument of each is the expression of its face."""
