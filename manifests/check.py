"""One row of a manifest from its raw values, and everything that is wrong with it."""

from __future__ import annotations

import difflib
import math
import unicodedata
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from manifests import schema
from manifests.schema import Row

MAX_PROBLEMS = 50
"""Problems that are listed; the rest are counted."""

MAX_PROMPT, MAX_ID, MAX_NAME = 10_000, 512, 4_096
"""Characters of a prompt, of an id, and of a path or URL."""

MAX_PIXELS = 65_535
"""Of a side of an image."""

NO_CONTROL = ("Cc",)
NO_FORMAT = ("Cc", "Cf", "Zl", "Zp", "Co", "Cn")
"""Unicode categories that are refused: control characters; for names also those that hide or
reorder others."""

# column: (most characters, categories that are refused). White space is part of a prompt.
TEXTS = {
    schema.PROMPT: (MAX_PROMPT, NO_CONTROL),
    schema.NEGATIVE: (MAX_PROMPT, NO_CONTROL),
    schema.ID: (MAX_ID, NO_FORMAT),
}

REPORT = Callable[[str, str], None]
"""Takes note of a problem: its column and the message."""


def text_problem(text: str, most: int, categories: Sequence[str]) -> str | None:
    """What is wrong with a text that is not trusted, or None.

    Where only control characters are refused, tabs and line ends are allowed.
    """
    if len(text) > most:
        return f"has {len(text)} characters; at most {most} are allowed"
    allowed = "\t\n\r" if categories == NO_CONTROL else ""
    for place, letter in enumerate(text):
        # Nearly every letter is printable, which is quicker to find out than its category.
        if letter.isprintable() or letter in allowed:
            continue
        if unicodedata.category(letter) in categories:
            character = f"U+{ord(letter):04X} at place {place}"
            return f"has the character {character}, which is invisible; remove it"
    return None


def shown(value: object) -> str:
    """A value as a message quotes it: escaped, and cut."""
    text = repr(value)
    return text if len(text) <= 100 else f"{text[:100]}..."


def normalized(name: str) -> str:
    """A name as names of emotions are compared: composed (NFC), lower case, no spaces around."""
    return unicodedata.normalize("NFC", name).strip().lower()


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
    """The manifest cannot be used; `problems` says why, `more` counts those beyond the first
    `MAX_PROBLEMS`, `notes` says what else helps."""

    def __init__(
        self, path: str, problems: Sequence[Problem], more: int = 0, notes: Sequence[str] = ()
    ):
        self.path, self.problems, self.more = path, list(problems), more
        self.notes = list(notes)
        lines = [
            f"{path}: {len(problems) + more} problem(s)",
            *(f"  {problem}" for problem in problems),
        ]
        if more:
            lines.append(f"  and {more} more")
        lines += [f"  note: {note}" for note in notes]
        super().__init__("\n".join(lines))


class Ids:
    """The ids of the rows so far, as 64-bit hashes: 16 bytes each, so that ten million of them are
    160 MB."""

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
        ids: the row's id is added to these, where duplicates shall be found.
    """
    problems: list[Problem] = []

    def report(column: str, message: str) -> None:
        problems.append(Problem(number, column, message))

    for column, (most, categories) in TEXTS.items():
        text = values.get(column)
        if isinstance(text, str) and (problem := text_problem(text, most, categories)):
            report(column, problem)
    prompt = values.get(schema.PROMPT) or ""
    if values.get(schema.PROMPT) is None:
        report(schema.PROMPT, "is missing; describe what the picture shows")
    elif all(letter.isspace() or unicodedata.category(letter) == "Cf" for letter in prompt):
        report(schema.PROMPT, "is empty; describe what the picture shows")
    image = _image(values.get(schema.IMAGE), schema.IMAGE, report)
    mask = _image(values.get(schema.MASK), schema.MASK, report)
    if mask is not None and image is None:
        report(schema.MASK, "is given without an image; give the image, or null in both")
    seed = values.get(schema.SEED)
    if seed is not None and not 0 <= seed < 2**63:
        report(schema.SEED, f"is {seed}; give an integer from 0 to 2^63 - 1")
    own = values.get(schema.ID)
    if own is not None and not str(own).strip():
        report(schema.ID, "is empty; give a name, or leave the column out")
    elif own is not None and ids is not None:
        ids.add(str(own), number)
    size = _size(values.get(schema.WIDTH), values.get(schema.HEIGHT), report)
    emotions = tuple(_emotions(values.get(schema.EMOTION), labels, report))
    if problems:
        return None, problems
    row = Row(
        number=number,
        prompt=prompt,
        image=image,
        emotions=emotions,
        id=None if own is None else str(own),
        seed=None if seed is None else int(seed),
        negative_prompt=values.get(schema.NEGATIVE),
        extra={name: value for name, value in values.items() if name not in schema.COLUMNS},
        size=size,
        mask=mask,
    )
    return row, []


def _image(value: Any, column: str, report: REPORT) -> str | bytes | None:
    """A source image or its mask as a path, a URL or bytes; None if the row has none."""
    null = "to generate" if column == schema.IMAGE else "to let all of the image change"
    remedy = f"give a path, a URL or the bytes, or null {null}"
    if value is None:
        return None
    if isinstance(value, Mapping):
        # Bytes that are there but empty are a download that failed, whatever the path says.
        data, path = value.get("bytes"), value.get("path")
        value = data if data is not None else path
        if value is None:
            report(column, f"has neither bytes nor a path; {remedy}")
            return None
    if len(value) == 0 or (isinstance(value, str) and not value.strip()):
        report(column, f"is empty; {remedy}")
    elif isinstance(value, str) and (problem := text_problem(value, MAX_NAME, NO_CONTROL)):
        report(column, problem)
    return value


def _size(width: Any, height: Any, report: REPORT) -> tuple[int, int] | None:
    """Width and height of the images to make; None if the row does not say."""
    if width is None and height is None:
        return None
    is_whole = True
    sides = {schema.WIDTH: width, schema.HEIGHT: height}
    for column, value in sides.items():
        if value is None:
            ((other, given),) = sides.items() - {(column, None)}
            report(column, f"is missing, but the row has a {other}, {given}; give both, or neither")
            is_whole = False
        elif not 1 <= value <= MAX_PIXELS:
            report(column, f"is {value}; give the pixels of the images to make, 1 to {MAX_PIXELS}")
            is_whole = False
    return (int(width), int(height)) if is_whole else None


def _emotions(value: Any, labels: Sequence[str], report: REPORT) -> Iterator[Mapping[str, float]]:
    """The targets that a row asks for, one a request."""
    if value is None:
        return
    if isinstance(value, str):
        yield from _single_emotions([value], labels, report)
    elif isinstance(value, Mapping):
        given = [(name, weight) for name, weight in value.items() if weight is not None]
        yield from _mixture(given, labels, report)
    elif value and isinstance(value[0], tuple):
        yield from _mixture(value, labels, report)
    elif not value:
        report(schema.EMOTION, "is empty; name an emotion, or use null for every emotion")
    else:
        yield from _single_emotions(value, labels, report)


def _label(name: str | None, labels: Sequence[str], report: REPORT) -> str | None:
    """The emotion of that name."""
    key = normalized((name or "")[:200])
    for label in labels:
        if key == normalized(label):
            return label
    known = f"choose from {', '.join(labels)}"
    report(schema.EMOTION, f"unknown emotion {shown(name)}; {_label_remedy(key, labels)}{known}")
    return None


def _label_remedy(key: str, labels: Sequence[str]) -> str:
    """What the author of an unknown emotion probably has to change; may be empty."""
    if key[:1] in ("{", "["):
        return "it is JSON text: store the list or the map of weights itself; "
    if "," in key or "+" in key:
        return "several emotions are a list, and a mixture is a map of weights; "
    # Letters that only look different count as the same. Nothing near is better than a guess that
    # is far off.
    plain = {_plain_letters(label): label for label in labels}
    near = difflib.get_close_matches(_plain_letters(key), plain, n=1, cutoff=0.7)
    return f"did you mean {plain[near[0]]!r}? If not, " if near else ""


def _plain_letters(name: str) -> str:
    """A name without accents, widths and invisible characters, in lower case."""
    letters = unicodedata.normalize("NFKD", normalized(name))
    return "".join(letter for letter in letters if unicodedata.category(letter)[0] in "LNZP")


def _single_emotions(
    names: Sequence[str], labels: Sequence[str], report: REPORT
) -> Iterator[Mapping[str, float]]:
    seen: set[str] = set()
    for name in names:
        label = _label(name, labels, report)
        if label in seen:
            report(schema.EMOTION, f"names {label!r} twice; name it once")
        elif label is not None:
            seen.add(label)
            yield {label: 1.0}


def _mixture(
    parts: Iterable[tuple[str, float]], labels: Sequence[str], report: REPORT
) -> Iterator[Mapping[str, float]]:
    weights: dict[str, float] = {}
    valid = True
    for name, weight in parts:
        label = _label(name, labels, report)
        if label is None:
            valid = False
        elif label in weights:
            report(schema.EMOTION, f"names {label!r} twice; name it once")
            valid = False
        elif weight is None or not math.isfinite(weight) or weight < 0:
            message = f"the weight of {shown(name)} is {weight}; give a number from 0 to 1"
            report(schema.EMOTION, message)
            valid = False
        else:
            weights[label] = float(weight)
    total = sum(weights.values())
    if valid and abs(total - 1.0) > 1e-3:
        report(schema.EMOTION, f"the weights sum to {total:g}; they must sum to 1")
    elif valid:
        yield {name: weight / total for name, weight in weights.items() if weight > 0}
