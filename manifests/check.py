"""Everything wrong with a manifest, found before the first model is loaded, all of it at once."""

from __future__ import annotations

import difflib
import math
import unicodedata
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from manifests import schema
from manifests.schema import Row

MOST = 50
"""Problems listed at most; the rest are counted."""


MOST_OF_A_TEXT, MOST_OF_AN_ID, MOST_OF_A_NAME = 10_000, 512, 4_096
"""Characters of a prompt, of an id, and of a path or URL."""

NO_CONTROL = ("Cc",)
NO_FORMAT = ("Cc", "Cf", "Zl", "Zp", "Co", "Cn")
"""Unicode's categories that are refused: control characters; for names also those that hide or reorder others."""

# column: (most characters, categories that are refused). White space is part of a prompt.
TEXTS = {
    schema.PROMPT: (MOST_OF_A_TEXT, NO_CONTROL),
    schema.NEGATIVE: (MOST_OF_A_TEXT, NO_CONTROL),
    schema.ID: (MOST_OF_AN_ID, NO_FORMAT),
}


def text_problem(text: str, most: int, categories: Sequence[str]) -> str | None:
    """What is wrong with a text from a stranger, or None. Tabs and line ends pass where only control is refused."""
    if len(text) > most:
        return f"has {len(text)} characters; at most {most} are taken"
    allowed = "\t\n\r" if categories == NO_CONTROL else ""
    for place, letter in enumerate(text):
        # Nearly all text is printable, and told to be without looking at the letter's category.
        if (
            not letter.isprintable()
            and letter not in allowed
            and unicodedata.category(letter) in categories
        ):
            return f"has the character U+{ord(letter):04X} at place {place}, which cannot be seen; remove it"
    return None


def shown(value: object) -> str:
    """A value as a message quotes it: escaped, and cut."""
    text = repr(value)
    return text if len(text) <= 100 else f"{text[:100]}..."


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong, where, and what to do about it."""

    row: int | None
    column: str | None
    message: str

    def __str__(self) -> str:
        place = [f"row {self.row}"] if self.row is not None else []
        place += [f"column {self.column!r}"] if self.column else []
        return f"{', '.join(place) or 'manifest'}: {self.message}"


class ManifestError(Exception):
    """The manifest cannot be used; `problems` says why, `more` counts those beyond the first `MOST`."""

    def __init__(self, path: str, problems: Sequence[Problem], more: int = 0):
        self.path, self.problems, self.more = path, list(problems), more
        lines = [
            f"{path}: {len(problems) + more} problem(s)",
            *(f"  {problem}" for problem in problems),
        ]
        if more:
            lines.append(f"  and {more} more")
        super().__init__("\n".join(lines))


class Ids:
    """The ids of the rows so far, as 64-bit hashes: 16 bytes each, so that ten million of them are 160 MB."""

    def __init__(self) -> None:
        self._hashes, self._rows = array("q"), array("q")

    def add(self, own: str, number: int) -> None:
        self._hashes.append(hash(own))
        self._rows.append(number)

    def repeated(self) -> dict[int, int]:
        """Every row whose id an earlier row used, and that row."""
        hashes = np.frombuffer(self._hashes, np.int64) if self._hashes else np.empty(0, np.int64)
        order = np.argsort(hashes, kind="stable")
        again = np.flatnonzero(np.diff(hashes[order]) == 0) + 1
        first: dict[int, int] = {}
        for place in again.tolist():
            before, this = self._rows[order[place - 1]], self._rows[order[place]]
            first[this] = first.get(before, before)
        return first


def parse_row(
    number: int, values: Mapping[str, Any], labels: Sequence[str], ids: Ids | None = None
) -> tuple[Row | None, list[Problem]]:
    """A row from its raw values, or what is wrong with it.

    Args:
        labels: the emotions that exist.
        ids: takes note of the row's id, where duplicates shall be found.
    """
    problems: list[Problem] = []

    def wrong(column: str, message: str) -> None:
        problems.append(Problem(number, column, message))

    for column, (most, kinds) in TEXTS.items():
        text = values.get(column)
        if isinstance(text, str) and (why := text_problem(text, most, kinds)):
            wrong(column, why)
    prompt = values.get(schema.PROMPT) or ""
    if values.get(schema.PROMPT) is None:
        wrong(schema.PROMPT, "is missing; say in words what the picture shows")
    elif not prompt.strip():
        wrong(schema.PROMPT, "is empty; say in words what the picture shows")
    image = values.get(schema.IMAGE)
    if isinstance(image, Mapping):
        image = image["bytes"] or image["path"]
    if isinstance(image, str) and (why := text_problem(image, MOST_OF_A_NAME, NO_CONTROL)):
        wrong(schema.IMAGE, why)
    if image is not None and len(image) == 0:
        wrong(schema.IMAGE, "is empty; give a path, a URL or the bytes, or null to generate")
    seed = values.get(schema.SEED)
    if seed is not None and not 0 <= seed < 2**63:
        wrong(schema.SEED, f"is {seed}; give an integer from 0 to 2^63 - 1")
    own = values.get(schema.ID)
    if own is not None and not str(own).strip():
        wrong(schema.ID, "is empty; give a name, or leave the column out")
    elif own is not None and ids is not None:
        ids.add(str(own), number)
    emotions = tuple(_emotions(values.get(schema.EMOTION), labels, wrong))
    if problems:
        return None, problems
    extra = {name: value for name, value in values.items() if name not in schema.COLUMNS}
    negative = values.get(schema.NEGATIVE) or ""
    return Row(
        number, prompt, image, emotions, None if own is None else str(own), seed, negative, extra
    ), []


def _emotions(value: Any, labels: Sequence[str], wrong) -> Iterator[Mapping[str, float]]:
    if value is None:
        return
    if isinstance(value, str):
        yield from _named([value], labels, wrong)
    elif isinstance(value, Mapping):
        yield from _mixture(
            [(name, weight) for name, weight in value.items() if weight is not None], labels, wrong
        )
    elif value and isinstance(value[0], tuple):
        yield from _mixture(value, labels, wrong)
    elif not value:
        wrong(schema.EMOTION, "is empty; name an emotion, or use null for every emotion")
    else:
        yield from _named(value, labels, wrong)


def _known(name: str | None, labels: Sequence[str], wrong) -> str | None:
    key = (name or "").strip().lower()[:100]
    if key in labels:
        return key
    near = difflib.get_close_matches(key, labels, n=1, cutoff=0.0)
    wrong(
        schema.EMOTION,
        f"unknown emotion {shown(name)}; did you mean {near[0]!r}? Known: {', '.join(labels)}",
    )
    return None


def _named(names: Sequence[str], labels: Sequence[str], wrong) -> Iterator[Mapping[str, float]]:
    seen: set[str] = set()
    for name in names:
        known = _known(name, labels, wrong)
        if known in seen:
            wrong(schema.EMOTION, f"names {known!r} twice; name it once")
        elif known is not None:
            seen.add(known)
            yield {known: 1.0}


def _mixture(
    parts: Iterable[tuple[str, float]], labels: Sequence[str], wrong
) -> Iterator[Mapping[str, float]]:
    weights: dict[str, float] = {}
    clean = True
    for name, weight in parts:
        known = _known(name, labels, wrong)
        if known is None:
            clean = False
        elif weight is None or not math.isfinite(weight) or weight < 0:
            wrong(
                schema.EMOTION,
                f"the weight of {shown(name)} is {weight}; give a number from 0 to 1",
            )
            clean = False
        elif weight > 0:
            weights[known] = weights.get(known, 0.0) + float(weight)
    total = sum(weights.values())
    if clean and abs(total - 1.0) > 1e-3:
        wrong(schema.EMOTION, f"the weights sum to {total:g}; they must sum to 1")
    elif clean:
        yield {name: weight / total for name, weight in weights.items()}
