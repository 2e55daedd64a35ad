"""What a source gives: items with their places, what it skipped, and what is wrong with it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import pyarrow as pa

from manifests import schema
from manifests.check import MAX_PROBLEMS, ManifestError, Problem

MAX_PLACES_SHOWN = 5
"""Places that a line on skipped items lists, where all have the same reason."""


@dataclass(frozen=True)
class Item:
    """One content, before it is crossed with emotions.

    Attributes:
        place: where it stands in its source, as in `line 3`.
        values: columns of a manifest by name, as far as the source has them, and further ones.
        problem: why it cannot be used, if it could not be read; it then has no values.
    """

    place: str
    values: Mapping[str, Any]
    problem: str | None = None


@dataclass(frozen=True)
class BadRow:
    """A row of a table that cannot be read, and why."""

    problem: str


@dataclass(frozen=True)
class SourceProblem(Problem):
    """A problem at a place of a source, which is rarely a row of a manifest."""

    place: str = ""

    def __str__(self) -> str:
        where = [self.place] if self.place else []
        where += [f"column {self.column!r}"] if self.column else []
        return f"{', '.join(where)}: {self.message}" if where else self.message


def image_of(values: Mapping[str, Any]) -> str | bytes | None:
    """The path, URL or bytes of an image. Bytes count before the path that they were read from."""
    image = values.get(schema.IMAGE)
    if isinstance(image, Mapping):
        return image["bytes"] if image["bytes"] is not None else image["path"]
    return image


class Source(Protocol):
    """Where contents come from. `items` may be read several times and always gives the same.

    Attributes:
        path: as the user wrote it.
        folder: what relative image paths refer to.
        is_folder: whether the places of its items are files in it.
        image_kind: type of its images: text (paths, URLs), binary, or None without images.
        extra: names and types of its further columns.
        notes: what was guessed or ignored, in words.
    """

    path: str
    folder: str
    is_folder: bool
    image_kind: pa.DataType | None
    extra: pa.Schema
    notes: list[str]

    def items(self, skipped: Skipped) -> Iterator[Item]:
        """All items in their order; what is none is added to `skipped`.

        Raises:
            ManifestError: the source cannot be read.
        """
        ...


@dataclass
class Skipped:
    """What was no row, by reason."""

    places: dict[str, list[str]] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)

    def add(self, reason: str, place: str, in_full: bool = False) -> None:
        """
        Args:
            in_full: keep the place also if there are many: it has a reason of its own.
        """
        self.counts[reason] += 1
        first = self.places.setdefault(reason, [])
        if in_full or len(first) < MAX_PLACES_SHOWN:
            first.append(place)

    def lines(self, verb: str = "skipped") -> Iterator[str]:
        """One line a reason, with the first places; or, where all are kept and there are many, with
        each on a line of its own below it."""
        for reason, places in self.places.items():
            if len(places) > MAX_PLACES_SHOWN:
                yield "\n  ".join([f"{verb} {self.counts[reason]}: {reason}", *places])
                continue
            more = self.counts[reason] - len(places)
            listed = ", ".join(places) + (f", and {more} more" if more else "")
            yield f"{verb} {self.counts[reason]}: {reason} ({listed})"


class Problems:
    """The problems of a source: the first of them, and how many more."""

    def __init__(self, path: str):
        self.path = path
        self.first: list[Problem] = []
        self.more = 0

    def add(self, place: str, column: str | None, message: str) -> None:
        if len(self.first) < MAX_PROBLEMS:
            self.first.append(SourceProblem(None, column, message, place))
        else:
            self.more += 1

    def raise_if_any(self, notes: Sequence[str]) -> None:
        """
        Args:
            notes: what was guessed before, which may be what is wrong; and what else helps.

        Raises:
            ManifestError: there are problems.
        """
        if self.first:
            raise ManifestError(self.path, self.first, self.more, notes)


def location(source: Source, item: Item) -> str:
    """An item's place, with its source."""
    return f"{source.path.rstrip('/')}{'/' if source.is_folder else ' '}{item.place}"


class SourceError(ManifestError):
    """The one problem of a source, on one line."""

    def __str__(self) -> str:
        return f"{self.path}: {self.problems[0]}"


def refuse(path: str, message: str, column: str | None = None, place: str = "") -> SourceError:
    """The error for one problem of a source."""
    return SourceError(path, [SourceProblem(None, column, message, place)])
