"""A pen for drawing in unit coordinates: x to the right, y down, the image is [0, 1] x [0, 1].

Everything is drawn at a multiple of its size and averaged down, for anti-aliasing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from random import Random

from PIL import Image, ImageDraw

Colour = tuple[int, ...]
Point = tuple[float, float]

SUPERSAMPLE = 3
INK: Colour = (38, 30, 40)
WHITE: Colour = (250, 248, 242)
BRIGHTS: list[Colour] = [
    (238, 64, 84),
    (250, 200, 50),
    (60, 170, 235),
    (98, 200, 98),
    (200, 92, 220),
    (250, 140, 50),
]


@dataclass(frozen=True)
class Strokes:
    """How a style draws shapes.

    Attributes:
        outline: width of an ink line around each opaque shape, in image sides; 0 for none.
        shadow: how far each opaque shape throws a shadow, in image sides; 0 for none.
    """

    outline: float = 0.0
    shadow: float = 0.0


class Canvas:
    """An image that is being drawn, its light and its strokes.

    Args:
        image: RGB, square, `SUPERSAMPLE` times as large as the finished picture.
        grade: a colour as the light of the scene shows it, by a share between 0 (not at all) and 1.
        strokes: how shapes are drawn.
    """

    def __init__(
        self,
        image: Image.Image,
        grade: Callable[[Colour, float], Colour],
        strokes: Strokes,
    ):
        self.image, self.strokes = image, strokes
        self.draw, self.side = ImageDraw.Draw(image, "RGBA"), image.width
        self._grade = grade
        self._graded: dict[tuple[Colour, float], Colour] = {}

    def colour(self, colour: Colour, lit: float) -> Colour:
        """The colour as the light shows it."""
        if lit == 0.0:
            return colour
        key = colour, lit
        if key not in self._graded:
            self._graded[key] = self._grade(colour, lit)
        return self._graded[key]


@dataclass(frozen=True)
class Pen:
    """Draws on a canvas in coordinates of its own.

    Attributes:
        x, y: where its origin is, in image sides.
        unit: length of its unit, in image sides.
        wide, high: factors on its axes; a negative `wide` mirrors.
        tilt: clockwise turn about the origin, in radians.
        lit: share of the scene's light in its colours: 1 for the ground, 0 for what glows.
    """

    canvas: Canvas
    x: float = 0.0
    y: float = 0.0
    unit: float = 1.0
    wide: float = 1.0
    high: float = 1.0
    tilt: float = 0.0
    lit: float = 1.0

    def glowing(self) -> Pen:
        """The same pen in colours that the light of the scene does not change."""
        return replace(self, lit=0.0)

    def at(self, x: float, y: float, unit: float, tilt: float = 0.0) -> Pen:
        """A pen with its origin at a point of this one, upright on an upright pen."""
        ((px, py),) = self._map([(x, y)])
        side = self.canvas.side
        return replace(self, x=px / side, y=py / side, unit=self.unit * unit, tilt=self.tilt + tilt)

    def _map(self, points: Sequence[Point]) -> list[Point]:
        side = self.canvas.side
        scale = self.unit * side
        cos, sin = math.cos(self.tilt) * scale, math.sin(self.tilt) * scale
        left, top, wide, high = self.x * side, self.y * side, self.wide, self.high
        return [
            (left + cos * wide * px - sin * high * py, top + sin * wide * px + cos * high * py)
            for px, py in points
        ]

    def poly(self, points: Sequence[Point], fill: Colour, plain: bool = False) -> None:
        """A filled polygon; a `plain` one has neither outline nor shadow in any style."""
        canvas = self.canvas
        corners, strokes = self._map(points), canvas.strokes
        has_strokes = not plain and (len(fill) == 3 or fill[3] == 255)
        if has_strokes and strokes.shadow:
            throw = strokes.shadow * canvas.side
            thrown = [(x + throw, y + throw) for x, y in corners]
            canvas.draw.polygon(thrown, fill=(20, 16, 30, 70))
        canvas.draw.polygon(corners, fill=canvas.colour(fill, self.lit))
        if has_strokes and strokes.outline:
            pixels = max(1, round(strokes.outline * canvas.side))
            ink = canvas.colour(INK, self.lit)
            canvas.draw.line([*corners, corners[0], corners[1]], ink, pixels, "curve")

    def rect(
        self, x0: float, y0: float, x1: float, y1: float, fill: Colour, plain: bool = False
    ) -> None:
        self.poly([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], fill, plain)

    def fade(self, x0: float, y0: float, x1: float, y1: float, top: Colour, bottom: Colour) -> None:
        """A rectangle whose colour goes from `top` to `bottom`."""
        steps = 16
        for i in range(steps):
            share = i / (steps - 1)
            mixed = tuple(round(a + (b - a) * share) for a, b in zip(top, bottom, strict=True))
            low, high = y0 + (y1 - y0) * i / steps, y0 + (y1 - y0) * (i + 1.3) / steps
            self.rect(x0, low, x1, min(high, y1), mixed, plain=True)

    def oval(
        self,
        cx: float,
        cy: float,
        rx: float,
        ry: float,
        fill: Colour,
        turn: float = 0.0,
        plain: bool = False,
    ) -> None:
        """A filled ellipse, turned by `turn` radians."""
        pixels = max(rx, ry) * self.unit * self.canvas.side
        count = 12 if pixels < 8 else 24 if pixels < 40 else 40
        cos, sin = math.cos(turn), math.sin(turn)
        points = []
        for i in range(count):
            a = 2 * math.pi * i / count
            u, v = rx * math.cos(a), ry * math.sin(a)
            points.append((cx + u * cos - v * sin, cy + u * sin + v * cos))
        self.poly(points, fill, plain or pixels < 5)

    def blob(self, points: Sequence[Point], fill: Colour, plain: bool = False) -> None:
        """A filled closed curve through the points."""
        self.poly(_smooth([points[-1], *points, points[0], points[1]]), fill, plain)

    def line(self, points: Sequence[Point], width: float, fill: Colour) -> None:
        """Straight lines through the points, `width` units wide, with round ends."""
        canvas, mapped = self.canvas, self._map(points)
        pixels = max(1, round(width * self.unit * canvas.side))
        colour = canvas.colour(fill, self.lit)
        canvas.draw.line(mapped, colour, pixels, "curve")
        if pixels > 3 and len(fill) == 3:
            r = pixels / 2 - 0.5
            for x, y in (mapped[0], mapped[-1]):
                canvas.draw.ellipse([x - r, y - r, x + r, y + r], fill=colour)

    def curve(self, points: Sequence[Point], width: float, fill: Colour) -> None:
        """A smooth line through the points."""
        self.line(_smooth([points[0], *points, points[-1]]), width, fill)

    def ring(self, cx: float, cy: float, r: float, width: float, fill: Colour) -> None:
        angles = [2 * math.pi * i / 36 for i in range(37)]
        self.line([(cx + r * math.cos(a), cy + r * math.sin(a)) for a in angles], width, fill)


def _smooth(points: Sequence[Point]) -> list[Point]:
    """Points of a Catmull-Rom spline from the second to the last but one of `points`."""
    smooth: list[Point] = []
    segments = list(pairwise(points))
    for i in range(1, len(segments) - 1):
        (ax, ay), (bx, by) = segments[i - 1]
        (cx, cy), (dx, dy) = segments[i + 1]
        for k in range(6):
            t = k / 6
            u, v = t * t, t * t * t
            a, b = -0.5 * t + u - 0.5 * v, 1 - 2.5 * u + 1.5 * v
            c, d = 0.5 * t + 2 * u - 1.5 * v, -0.5 * u + 0.5 * v
            smooth.append((a * ax + b * bx + c * cx + d * dx, a * ay + b * by + c * cy + d * dy))
    smooth.append(points[-2])
    return smooth


Painter = Callable[[Pen, Random], None]
"""Draws one thing with a pen, with variations by the random numbers."""
