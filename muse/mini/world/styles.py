"""Drawing styles: how shapes are drawn."""

from __future__ import annotations

from dataclasses import dataclass

from muse.mini.world.drawing.pen import Strokes


@dataclass(frozen=True)
class Style:
    """A drawing style.

    Attributes:
        words: how a caption names it, the usual way first; the content follows.
        strokes: how shapes are drawn.
    """

    words: tuple[str, ...]
    strokes: Strokes


STYLES: dict[str, Style] = {
    "flat": Style(("a flat drawing of", "an illustration of"), Strokes()),
    "comic": Style(("a comic of", "a cartoon of"), Strokes(outline=0.0095)),
    "collage": Style(("a paper collage of", "a cut-out of"), Strokes(shadow=0.014)),
}
