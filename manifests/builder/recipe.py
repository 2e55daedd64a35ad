"""How items become rows: which emotions, how often, and what every item gets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

Captioner = Callable[[Sequence[str | bytes]], list[str]]
"""Gives each image, a local path or encoded bytes, a caption; it may be empty."""


class ImageProblem(Protocol):
    """Says why an image, a local path or encoded bytes, cannot be used; None if it can."""

    def __call__(self, image: str | bytes, mask: str | None = None, /) -> str | None:
        """
        Args:
            mask: the path or URL of its mask, if it has one.
        """
        ...


@dataclass(frozen=True)
class Recipe:
    """How a manifest is made of its sources.

    Attributes:
        labels: the emotions that exist.
        emotions: targets of items that name none, as `parse_targets` takes them; None to leave them
            open.
        prompt: of items that have none.
        replicates: rows for each item and target.
        balanced: the same number of rows for each target.
        weights_column: a column that says how often an item shall occur, relative to others.
        limit: most rows.
        skip_bad: leave out items that have a problem, which are refused else.
        seed: of the choice, where not all is taken; None for 0.
    """

    labels: Sequence[str]
    emotions: str | None = None
    prompt: str | None = None
    replicates: int = 1
    balanced: bool = False
    weights_column: str | None = None
    limit: int | None = None
    seed: int | None = None
    skip_bad: bool = False

    @property
    def chooses(self) -> bool:
        """Whether items are drawn, rather than taken in their order."""
        return self.balanced or self.weights_column is not None


@dataclass
class Built:
    """What was made.

    Attributes:
        rows: of the manifest.
        items: of the sources that were usable.
        generate, edit: rows by the name of their emotion, of either task; an empty name where it
            is left open.
        notes: what was guessed, ignored or skipped, in words.
        warnings: those of them that say what is missing, or what a run will not accept.
    """

    rows: int = 0
    items: int = 0
    generate: Counter[str] = field(default_factory=Counter)
    edit: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
