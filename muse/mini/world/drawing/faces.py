"""Faces: the finest of what shows an emotion."""

from __future__ import annotations

import math

from muse.mini.world.drawing.pen import INK, WHITE, Colour, Pen, Point

TONGUE: Colour = (232, 92, 110)
MOUTH: Colour = (92, 24, 34)
TEAR: Colour = (92, 176, 250)


def _arc(x: float, y: float, rx: float, ry: float, start: float, end: float) -> list[Point]:
    steps = [start + (end - start) * i / 8 for i in range(9)]
    return [(x + rx * math.cos(a), y + ry * math.sin(a)) for a in steps]


def _dots(pen: Pen, size: float = 0.13) -> None:
    for side in (-1, 1):
        pen.oval(side * 0.38, -0.12, size, size * 1.25, INK, plain=True)
        pen.oval(side * 0.38 + 0.04, -0.18, size * 0.35, size * 0.35, WHITE, plain=True)


def _wide(pen: Pen, pupil: float, size: float = 0.25) -> None:
    for side in (-1, 1):
        pen.oval(side * 0.38, -0.16, size + 0.05, size * 1.2 + 0.05, INK, plain=True)
        pen.oval(side * 0.38, -0.16, size, size * 1.2, (255, 255, 255), plain=True)
        pen.oval(side * 0.38, -0.14, pupil, pupil, INK, plain=True)


def _brows(pen: Pen, inner: float, outer: float, width: float = 0.1) -> None:
    for side in (-1, 1):
        pen.line([(side * 0.16, inner), (side * 0.62, outer)], width, INK)


def _neutral(pen: Pen) -> None:
    _dots(pen)
    pen.line([(-0.22, 0.46), (0.22, 0.46)], 0.09, INK)


def _smiling(pen: Pen) -> None:
    _dots(pen)
    pen.line(_arc(0, 0.28, 0.38, 0.32, 0.15 * math.pi, 0.85 * math.pi), 0.1, INK)


def _serene(pen: Pen) -> None:
    for side in (-1, 1):
        pen.line(_arc(side * 0.38, -0.18, 0.2, 0.18, 0.1 * math.pi, 0.9 * math.pi), 0.1, INK)
        pen.oval(side * 0.62, 0.22, 0.15, 0.1, (250, 130, 140, 150), plain=True)
    pen.line(_arc(0, 0.3, 0.26, 0.2, 0.1 * math.pi, 0.9 * math.pi), 0.09, INK)


def _laughing(pen: Pen) -> None:
    for side in (-1, 1):
        pen.line(_arc(side * 0.38, -0.02, 0.22, 0.26, 1.1 * math.pi, 1.9 * math.pi), 0.11, INK)
    pen.poly(_arc(0, 0.2, 0.48, 0.58, 0, math.pi), MOUTH, plain=True)
    pen.oval(0, 0.58, 0.26, 0.16, TONGUE, plain=True)
    pen.rect(-0.4, 0.2, 0.4, 0.31, WHITE, plain=True)


def _excited(pen: Pen) -> None:
    _wide(pen, 0.15, 0.24)
    _brows(pen, -0.62, -0.68)
    pen.poly(_arc(0, 0.22, 0.52, 0.5, 0, math.pi), MOUTH, plain=True)
    pen.rect(-0.44, 0.22, 0.44, 0.34, WHITE, plain=True)


def _amazed(pen: Pen) -> None:
    _wide(pen, 0.13, 0.26)
    _brows(pen, -0.66, -0.62, 0.08)
    pen.oval(0, 0.5, 0.19, 0.25, MOUTH, plain=True)


def _angry(pen: Pen) -> None:
    for side in (-1, 1):
        pen.oval(side * 0.38, -0.06, 0.22, 0.17, (255, 244, 220), plain=True)
        pen.oval(side * 0.33, -0.04, 0.1, 0.12, (170, 20, 20), plain=True)
    _brows(pen, -0.12, -0.5, 0.16)
    pen.poly([(-0.46, 0.62), (-0.32, 0.34), (0.32, 0.34), (0.46, 0.62)], WHITE, plain=True)
    for x in (-0.2, 0, 0.2):
        pen.line([(x, 0.34), (x, 0.62)], 0.05, INK)
    pen.line([(-0.46, 0.62), (-0.32, 0.34), (0.32, 0.34), (0.46, 0.62)], 0.08, INK)


def _disgusted(pen: Pen) -> None:
    pen.oval(0, 0.36, 0.72, 0.42, (150, 190, 70, 110), plain=True)
    for side in (-1, 1):
        pen.line([(side * 0.18, -0.02), (side * 0.58, -0.2)], 0.1, INK)
        pen.line([(side * 0.18, -0.02), (side * 0.58, 0.1)], 0.1, INK)
    pen.curve([(-0.46, 0.46), (-0.24, 0.34), (0, 0.46), (0.24, 0.36), (0.46, 0.5)], 0.1, INK)
    pen.oval(0.14, 0.62, 0.16, 0.24, TONGUE, plain=True)


def _frightened(pen: Pen) -> None:
    _wide(pen, 0.07, 0.28)
    _brows(pen, -0.74, -0.5, 0.1)
    points = [(-0.42 + 0.14 * i, 0.44 if i % 2 else 0.6) for i in range(7)]
    pen.line(points, 0.1, INK)
    pen.oval(0.82, -0.4, 0.1, 0.16, TEAR, plain=True)


def _crying(pen: Pen) -> None:
    for side in (-1, 1):
        pen.oval(side * 0.38, -0.06, 0.15, 0.15, INK, plain=True)
        pen.oval(side * 0.44, 0.3, 0.11, 0.28, TEAR, plain=True)
    _brows(pen, -0.5, -0.24)
    pen.line(_arc(0, 0.76, 0.34, 0.32, 1.15 * math.pi, 1.85 * math.pi), 0.1, INK)


_DRAW = {
    "neutral": _neutral,
    "smiling": _smiling,
    "serene": _serene,
    "laughing": _laughing,
    "excited": _excited,
    "amazed": _amazed,
    "angry": _angry,
    "disgusted": _disgusted,
    "frightened": _frightened,
    "crying": _crying,
}


def face(pen: Pen, x: float, y: float, r: float, expression: str) -> None:
    """Eyes and mouth of an expression (see `factors.EXPRESSIONS`) on a head of radius `r`."""
    _DRAW[expression](pen.at(x, y, r))
