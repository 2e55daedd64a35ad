"""The columns of a manifest, and one row of it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from typing import Any

PROMPT, IMAGE, MASK, EMOTION, ID, SEED, NEGATIVE, WIDTH, HEIGHT = (
    "prompt",
    "image",
    "mask",
    "emotion",
    "id",
    "seed",
    "negative_prompt",
    "width",
    "height",
)
COLUMNS = (PROMPT, IMAGE, MASK, EMOTION, ID, SEED, NEGATIVE, WIDTH, HEIGHT)

LEAST_LIKENESS = 0.8
"""Ratio of `difflib` from which a name is a misspelled one: one letter of five."""

SYNONYMS = {
    "caption": PROMPT,
    "text": PROMPT,
    "img": IMAGE,
    "picture": IMAGE,
    "photo": IMAGE,
    "imagepath": IMAGE,
    "imageurl": IMAGE,
    "imagefile": IMAGE,
    "imagebyte": IMAGE,
    "maskimage": MASK,
    "imagemask": MASK,
    "maskpath": MASK,
    "maskfile": MASK,
    "inpaintmask": MASK,
    "mood": EMOTION,
    "feeling": EMOTION,
    "sentiment": EMOTION,
    "label": EMOTION,
    "class": EMOTION,
    "emotionlabel": EMOTION,
    "emotionname": EMOTION,
    "targetemotion": EMOTION,
    "negative": NEGATIVE,
    "negprompt": NEGATIVE,
}
"""Names that other programs give to these columns, simplified as `_simplified` does."""


@dataclass(frozen=True)
class Row:
    """One row of a manifest, as checked.

    Attributes:
        number: position in the manifest, from 0.
        prompt: the content in words.
        image: None to generate; a path, a URL or the encoded bytes to edit.
        emotions: for each request that the row asks for a map of emotions to weights, which sum to
            1; empty for every emotion of the run.
        id: the user's own name for the row, or None.
        seed: the row's own seed, or None.
        negative_prompt: what to lead away from; None if the row names nothing.
        mask: of an edit, where the image may change; as `image`, None for everywhere.
        extra: every further column, as it was read.
        size: width and height of the images to make; None if the row does not say.
    """

    number: int
    prompt: str
    image: str | bytes | None
    emotions: tuple[Mapping[str, float], ...]
    id: str | None
    seed: int | None
    negative_prompt: str | None
    extra: Mapping[str, Any] = field(default_factory=dict)
    size: tuple[int, int] | None = None
    mask: str | bytes | None = None


def intended_column(name: str, present: Sequence[str]) -> str | None:
    """The column of ours that is absent and that the name of a further column resembles, or None.

    Args:
        present: names of all columns.
    """
    simple = _simplified(name)
    absent = [column for column in COLUMNS if column not in present]
    for column in absent:
        if simple == _simplified(column) or SYNONYMS.get(simple) == column:
            return column
    for column in absent:
        # Names as short as `id` resemble too many others.
        if len(column) > len(SEED) and _is_misspelled(simple, _simplified(column)):
            return column
    return None


def _is_misspelled(name: str, column: str) -> bool:
    """Whether a name differs from a column's by about one letter, and not in its first.

    A first letter of another alphabet may look like the right one.
    """
    if (name[:1].isascii() and name[:1] != column[0]) or abs(len(name) - len(column)) > 1:
        return False
    return SequenceMatcher(None, name, column).ratio() >= LEAST_LIKENESS


def _simplified(name: str) -> str:
    """Lower case, without accents, letters and digits alone, singular."""
    letters = re.sub(r"[\W_]+", "", unicodedata.normalize("NFKD", name).lower())
    return letters if letters.endswith("ss") else letters.removesuffix("s")
