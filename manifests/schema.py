"""The columns of a manifest, and one row of it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from typing import Any

PROMPT, IMAGE, EMOTION, ID, SEED, NEGATIVE = (
    "prompt",
    "image",
    "emotion",
    "id",
    "seed",
    "negative_prompt",
)
COLUMNS = (PROMPT, IMAGE, EMOTION, ID, SEED, NEGATIVE)

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
    "imagebytes": IMAGE,
    "mood": EMOTION,
    "feeling": EMOTION,
    "sentiment": EMOTION,
    "emotionlabel": EMOTION,
    "targetemotion": EMOTION,
    "negative": NEGATIVE,
    "negprompt": NEGATIVE,
}
"""Names that other programs give to these columns, simplified as `_simplified` does."""

SYNONYMS_IF_ABSENT = {
    "label": EMOTION,
    "class": EMOTION,
    "url": IMAGE,
    "path": IMAGE,
    "file": IMAGE,
    "filename": IMAGE,
}
"""Names that mean something else as often; they count only where the column itself is absent."""


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
        negative_prompt: what to lead away from, possibly empty.
        extra: every further column, as it was read.
    """

    number: int
    prompt: str
    image: str | bytes | None
    emotions: tuple[Mapping[str, float], ...]
    id: str | None
    seed: int | None
    negative_prompt: str
    extra: Mapping[str, Any] = field(default_factory=dict)


def intended_column(name: str, present: Sequence[str]) -> str | None:
    """The column of ours that the name of a further column resembles, or None.

    Args:
        present: names of all columns.
    """
    if name in COLUMNS:
        return None
    simple = _simplified(name)
    for column in COLUMNS:
        if simple == _simplified(column):
            return column
    if simple in SYNONYMS:
        return SYNONYMS[simple]
    for column in (PROMPT, IMAGE, EMOTION, NEGATIVE):
        if _is_misspelled(simple, _simplified(column)):
            return column
    column = SYNONYMS_IF_ABSENT.get(simple, "")
    return column if column and column not in present else None


def _is_misspelled(name: str, column: str) -> bool:
    """Whether a name differs from a column's by about one letter, and not in its first."""
    if name[:1] != column[0] or abs(len(name) - len(column)) > 1:
        return False
    return SequenceMatcher(None, name, column).ratio() >= LEAST_LIKENESS


def _simplified(name: str) -> str:
    """Lower case, letters and digits alone, singular."""
    return re.sub(r"[\W_]+", "", name.lower()).removesuffix("s")
