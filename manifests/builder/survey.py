"""The first reading of the sources: every item checked, and what it may be made for."""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from manifests import schema
from manifests.builder.choice import Entry
from manifests.builder.emotions import Target, parse_targets, row_targets
from manifests.builder.item import Item, Problems, Skipped, Source, image_of, location, refuse
from manifests.builder.recipe import ImageProblem, Recipe
from manifests.check import parse_row, shown

NO_PROMPT = "no prompt; name its column by --map prompt=NAME, or give --prompt"
NO_CAPTION = (
    "image without a caption; write it to NAME.txt beside it, or give --prompt or --captioner"
)
UNUSABLE = "image that cannot be used"
BAD = "item with a problem"
SKIP_BAD = "--skip-bad of `manifest build` leaves such items out"
REPEATED = "the prompt, image and emotion of an earlier one"
TWICE = "the image of an item of an earlier source; it is edited for both, so leave one of them out"


class Survey:
    """What the sources hold.

    Args:
        captions: whether images without a caption will get one.
        image_problem: is asked about every local image.

    Attributes:
        entries: one for each item, in order.
        targets: what the targets of the entries are.
        columns: those of ours that any item has.
        skipped: what the sources hold that is no item, and why.
        left_out: items that are not used, and why.
        repeated: items that are used though they repeat an earlier one.
        twice: items that are used though an earlier source has their image, too.
        empty: sources that hold nothing at all.
        used: those of `--emotions`, `--prompt` and `--captioner` that any item needed.

    Raises:
        ManifestError: with all problems of the first source that has any.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        recipe: Recipe,
        captions: bool,
        image_problem: ImageProblem | None,
    ):
        self.recipe, self.captions, self.image_problem = recipe, captions, image_problem
        self.entries: list[Entry] = []
        self.targets: list[Target] = []
        self.columns: set[str] = {schema.PROMPT}
        self.skipped, self.left_out, self.repeated = Skipped(), Skipped(), Skipped()
        self.twice = Skipped()
        self.empty: list[Source] = []
        self.used: set[str] = set()
        self._numbers: dict[Target, int] = {}
        self._ids: dict[str, str] = {}
        self._contents: set[bytes] = set()
        self._images: dict[str, Source] = {}
        self._common = self._common_targets()
        for source in sources:
            self._read(source)

    @property
    def has_mixtures(self) -> bool:
        return any(len(target) > 1 for target in self.targets)

    def unused(self) -> Iterator[str]:
        """A line for each option that was given and that no item needed."""
        options = {"--emotions": self.recipe.emotions, "--prompt": self.recipe.prompt}
        given = {name for name, value in options.items() if value is not None}
        given |= {"--captioner"} if self.captions else set()
        for name in sorted(given - self.used):
            yield f"{name} was not needed: every item has its own"
        if self.recipe.seed is not None and not self.recipe.chooses:
            yield "--seed was not needed: only --balanced and --weights-column choose among items"

    @property
    def items(self) -> int:
        """How many are used."""
        return sum(1 for entry in self.entries if entry.targets)

    def _common_targets(self) -> list[Target]:
        """The targets of items that name none."""
        if self.recipe.emotions is None:
            return [()]
        try:
            return parse_targets(self.recipe.emotions, self.recipe.labels)
        except ValueError as error:
            raise refuse("--emotions", str(error)) from None

    def _read(self, source: Source) -> None:
        column = self.recipe.weights_column
        if column is not None and column not in source.extra.names:
            names = ", ".join(source.extra.names) or "none"
            message = f"--weights-column {column}: no such column; its further columns are {names}"
            raise refuse(source.path, message)
        problems = Problems(source.path)
        before = len(self.entries) + self.skipped.counts.total()
        for item in source.items(self.skipped):
            self.entries.append(self._entry(source, item, problems))
        problems.raise_if_any([*source.notes, SKIP_BAD])
        if len(self.entries) + self.skipped.counts.total() == before:
            self.empty.append(source)

    def _entry(self, source: Source, item: Item, problems: Problems) -> Entry:
        """What an item may be made for; nothing if it is skipped or has problems."""
        values, where = item.values, location(source, item)
        if self._is_skipped(source, item, where):
            return Entry(())
        found = list(self._problems(item, where))
        targets: list[Target] = []
        try:
            targets = row_targets(values.get(schema.EMOTION), self.recipe.labels)
        except ValueError as error:
            found.append((schema.EMOTION, str(error)))
        if found:
            self._note_problems(found, item, where, problems)
            return Entry(())

        # It is used: take note of what it has.
        weights_column, own = self.recipe.weights_column, values.get(schema.ID)
        weight = _weight(values.get(weights_column)) if weights_column else 1.0
        if own is not None:
            self._ids[str(own)] = where
        self._note_repetition(source, values, where)
        for column in schema.COLUMNS:
            if values.get(column) is not None and column != schema.EMOTION:
                self.columns.add(column)
        if not targets:
            targets = self._common
            self.used.add("--emotions")
        if has_no_prompt(values):
            self.used.add("--prompt" if self.recipe.prompt else "--captioner")
        return Entry(tuple(self._number(target) for target in targets), weight)

    def _is_skipped(self, source: Source, item: Item, where: str) -> bool:
        """Whether an item is left out because it lacks something; then that is noted."""
        if item.problem is not None:
            return False
        if why := missing_prompt(source, item.values, self.recipe.prompt, self.captions):
            self.left_out.add(why, where)
            return True
        if why := self._image_problem(source, item.values):
            self.left_out.add(UNUSABLE, f"{where}: {why}", in_full=True)
            return True
        return False

    def _problems(self, item: Item, where: str) -> Iterator[tuple[str | None, str]]:
        """What is wrong with an item, other than its emotion; each with its column."""
        values = item.values
        if item.problem is not None:
            yield None, item.problem
            return
        yield from _value_problems(values, self.recipe)
        column = self.recipe.weights_column
        if column and math.isnan(_weight(values.get(column))):
            yield column, f"is {shown(values.get(column))}; give a number of at least 0"
        own = values.get(schema.ID)
        if own is not None and str(own) in self._ids:
            before = f"{shown(own)} was used by {self._ids[str(own)]}"
            yield schema.ID, f"{before}; ids must be unique (--map id= leaves them out)"

    def _note_problems(
        self,
        found: Sequence[tuple[str | None, str]],
        item: Item,
        where: str,
        problems: Problems,
    ) -> None:
        """Refuse an item, or skip it if that is wanted."""
        if self.recipe.skip_bad:
            column, message = found[0]
            where = f"{where}: {f'column {column!r} ' if column else ''}{message}"
            self.left_out.add(BAD, where, in_full=True)
            return
        for column, message in found:
            problems.add(item.place, column, message)
        # Its id is one that no other item may have, either.
        if (own := item.values.get(schema.ID)) is not None:
            self._ids.setdefault(str(own), where)

    def _image_problem(self, source: Source, values: Mapping[str, Any]) -> str | None:
        """Why the image of an item, or its mask, cannot be used, as far as that is known here."""
        image = image_of(values)
        if self.image_problem is None or not isinstance(image, str | bytes):
            return None
        if isinstance(image, str) and ("://" in image or not image.strip()):
            return None
        local = image if isinstance(image, bytes) else os.path.join(source.folder, image)
        mask = values.get(schema.MASK)
        if not isinstance(mask, str) or not mask.strip():
            return self.image_problem(local)
        return self.image_problem(
            local, mask if "://" in mask else os.path.join(source.folder, mask)
        )

    def _number(self, target: Target) -> int:
        if target not in self._numbers:
            self._numbers[target] = len(self.targets)
            self.targets.append(target)
        if target:
            self.columns.add(schema.EMOTION)
        return self._numbers[target]

    def _note_repetition(self, source: Source, values: Mapping[str, Any], where: str) -> None:
        prompt = values.get(schema.PROMPT) or self.recipe.prompt
        image = image_of(values)
        # Relative paths of different folders are different images.
        place = (source.folder, values.get(schema.MASK)) if image else ""
        text = repr((prompt, values.get(schema.EMOTION), place))
        data = image if isinstance(image, bytes) else repr(image).encode(errors="replace")
        digest = hashlib.sha256(text.encode(errors="replace") + b"/" + data).digest()[:12]
        if digest in self._contents:
            self.repeated.add(REPEATED, where)
        elif isinstance(image, str) and self._first_with(source, image) is not source:
            self.twice.add(TWICE, where)
        self._contents.add(digest)

    def _first_with(self, source: Source, image: str) -> Source:
        """The source that was the first to have the image of this path or URL."""
        place = image if "://" in image else os.path.normpath(os.path.join(source.folder, image))
        return self._images.setdefault(place, source)


def missing_prompt(
    source: Source, values: Mapping[str, Any], prompt: str | None, captions: bool
) -> str | None:
    """Why an item has no prompt and will get none, or None."""
    if prompt is not None or not has_no_prompt(values):
        return None
    image = values.get(schema.IMAGE)
    if image is None:
        names = ", ".join(source.extra.names)
        return NO_PROMPT + (f"; its columns are {names}" if names else "")
    if not captions:
        return NO_CAPTION
    if isinstance(image, str) and "://" in image:
        return "image at a URL without a caption; captioners read local images alone"
    return None


def has_no_prompt(values: Mapping[str, Any]) -> bool:
    """Whether an item has no prompt of its own."""
    own = values.get(schema.PROMPT)
    return own is None or (isinstance(own, str) and not own.strip())


def _value_problems(values: Mapping[str, Any], recipe: Recipe) -> Iterator[tuple[str, str]]:
    """What is wrong with the columns of an item, other than its emotion."""
    checked: dict[str, Any] = {}
    for column in (schema.PROMPT, schema.IMAGE, schema.MASK, schema.ID, schema.NEGATIVE):
        value = values.get(column)
        wanted = (str, bytes, dict) if column == schema.IMAGE else str
        if column == schema.ID and isinstance(value, int):
            value = str(value)
        if value is not None and not isinstance(value, wanted):
            yield column, f"is {shown(value)}; give text"
        elif isinstance(value, str) and not value.isprintable() and _is_broken(value):
            yield column, f"{shown(value)} has half a character; write it again"
        else:
            checked[column] = value
    if checked.get(schema.PROMPT) is None or not checked[schema.PROMPT].strip():
        checked[schema.PROMPT] = recipe.prompt or "-"
    try:
        checked[schema.SEED] = seed_of(values.get(schema.SEED))
    except ValueError as error:
        yield schema.SEED, str(error)
    for problem in parse_row(0, checked, recipe.labels)[1]:
        yield problem.column or "", problem.message


def _is_broken(text: str) -> bool:
    """Whether a text has a lone surrogate, as JSON can write one."""
    return any(0xD800 <= ord(letter) <= 0xDFFF for letter in text)


def seed_of(value: Any) -> int | None:
    """A seed from a number or from text.

    Raises:
        ValueError: it is no integer.
    """
    if value is None:
        return None
    try:
        number = int(value) if isinstance(value, str) else value
        if isinstance(number, int) and not isinstance(number, bool):
            return number
    except ValueError:
        pass
    raise ValueError(f"is {shown(value)}; give an integer from 0 to 2^63 - 1")


def _weight(value: Any) -> float:
    """A weight, or NaN if it is none."""
    try:
        weight = float(value)
    except (TypeError, ValueError):
        return math.nan
    return weight if math.isfinite(weight) and weight >= 0 else math.nan
