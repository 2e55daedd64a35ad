"""Samples side by side in a notebook."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from PIL.Image import Image

from pipeline.output.rows import target_name
from pipeline.view.thumbnails import data_url, thumbnail

SIDE = 160
"""Longer edge of a picture, pixels."""

MAX_PROMPT = 200
"""Characters of a prompt that are shown."""

DIRECTIONS = range(0x202A, 0x202F), range(0x2066, 0x206A)
"""Characters that change the direction of the text after them, by which it can be read as another
one (Unicode Standard Annex 9)."""


@dataclass(frozen=True)
class Cell:
    """A sample.

    Attributes:
        metadata: its columns.
        image: None if no image was made or kept.
        source: what was edited; None if it is no edit, or the source is not there any more.
    """

    metadata: Mapping[str, Any]
    image: Image | None
    source: Image | None = None


@dataclass(frozen=True)
class Grid:
    """Samples side by side; a notebook displays it."""

    cells: Sequence[Cell]

    def __repr__(self) -> str:
        count = len(self.cells)
        return f"Grid of {count} sample{'' if count == 1 else 's'}; a notebook shows the pictures"

    def _repr_html_(self) -> str:
        figures = "".join(map(_figure, self.cells))
        style = "display:flex;flex-wrap:wrap;gap:12px"
        return f'<div style="{style}">{figures or "no sample"}</div>'


def _figure(cell: Cell) -> str:
    """A picture with its target, scores and prompt; nothing in a text can become markup."""
    row = cell.metadata
    target, prompt = shown(target_name(row)), shown(row["prompt"][:MAX_PROMPT])
    pictures = _picture(cell.image, f"{target}: {prompt}")
    count = 1
    if cell.source is not None:
        pictures = _picture(cell.source, "source image") + pictures
        count = 2
    lines = [f"<bdi><b>{target}</b></bdi>{_scores(row)}", f"<bdi>{prompt}</bdi>"]
    caption = "<br>".join(lines)
    style = f"margin:0;width:{count * SIDE + (count - 1) * 4}px"
    text = f'<figcaption style="overflow-wrap:anywhere">{caption}</figcaption>'
    box = f'<div style="display:flex;gap:4px">{pictures}</div>'
    return f'<figure style="{style}" title="{shown(row["key"])}">{box}{text}</figure>'


def _picture(image: Image | None, text: str) -> str:
    if image is None:
        return f'<div style="width:{SIDE}px">no picture</div>'
    address = data_url(thumbnail(image, SIDE))
    return f'<img src="{address}" alt="{text}" style="width:{SIDE}px;object-fit:contain">'


def _scores(row: Mapping[str, Any]) -> str:
    """How far the judge confirms the target, and how like its source an edit is."""
    named = (
        ("judge", row["judge_confidence"]),
        ("like its source", row["source_similarity"]),
        ("SSIM", row["source_ssim"]),
    )
    return "".join(f", {name} {value:.2f}" for name, value in named if value is not None)


def shown(text: str) -> str:
    """A text in HTML; what would change its direction is shown by its code point."""
    return "".join(map(_shown, text))


def _shown(character: str) -> str:
    if any(ord(character) in span for span in DIRECTIONS):
        return f"\\u{ord(character):04x}"
    return escape(character)
