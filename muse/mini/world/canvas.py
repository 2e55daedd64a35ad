"""A pen for drawing in unit coordinates: x to the right, y down, the image is [0, 1] x [0, 1].

Everything is drawn at four times its size and averaged down for anti-aliasing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

from PIL import Image, ImageDraw

Colour = tuple[int, ...]
Point = tuple[float, float]

BRIGHTS: list[Colour] = [
    (255, 70, 90),
    (255, 210, 60),
    (70, 200, 255),
    (120, 230, 120),
    (230, 110, 255),
    (255, 255, 255),
]

SUPERSAMPLE = 4


class Pen:
    """Draws on an RGBA image; `at` gives a pen in local coordinates."""

    def __init__(
        self,
        image: Image.Image,
        x: float = 0.0,
        y: float = 0.0,
        unit: float = 1.0,
        flip: bool = False,
    ):
        self.image = image
        self._draw = ImageDraw.Draw(image, "RGBA")
        self._side = image.width
        self._x, self._y, self._unit, self._sign = x, y, unit, -1 if flip else 1

    def at(self, x: float, y: float, unit: float, flip: bool = False) -> Pen:
        return Pen(self.image, x, y, unit, flip)

    def _map(self, points: Sequence[Point]) -> list[Point]:
        scale = self._unit * self._side
        left, top = self._x * self._side, self._y * self._side
        return [(left + self._sign * px * scale, top + py * scale) for px, py in points]

    def poly(self, points: Sequence[Point], fill: Colour) -> None:
        self._draw.polygon(self._map(points), fill=fill)

    def rect(self, x0: float, y0: float, x1: float, y1: float, fill: Colour) -> None:
        self.poly([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], fill)

    def oval(self, cx: float, cy: float, rx: float, ry: float, fill: Colour) -> None:
        (ax, ay), (bx, by) = self._map([(cx - rx, cy - ry), (cx + rx, cy + ry)])
        self._draw.ellipse([min(ax, bx), ay, max(ax, bx), by], fill=fill)

    def ring(self, cx: float, cy: float, r: float, width: float, fill: Colour) -> None:
        (ax, ay), (bx, by) = self._map([(cx - r, cy - r), (cx + r, cy + r)])
        pixels = max(1, round(width * self._unit * self._side))
        self._draw.ellipse([min(ax, bx), ay, max(ax, bx), by], outline=fill, width=pixels)

    def line(self, points: Sequence[Point], width: float, fill: Colour) -> None:
        pixels = max(1, round(width * self._unit * self._side))
        self._draw.line(self._map(points), fill=fill, width=pixels, joint="curve")


def layer(side: int) -> Pen:
    """A pen on a transparent layer for a picture of `side` pixels."""
    return Pen(Image.new("RGBA", (side * SUPERSAMPLE, side * SUPERSAMPLE), (0, 0, 0, 0)))


Painter = Callable[[Pen, Random], None]
"""Draws one thing with a pen, with variations by the random numbers."""
