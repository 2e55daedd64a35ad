"""The way from sources to a manifest: read and checked once, chosen, then written."""

from __future__ import annotations

import hashlib
import itertools
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from manifests import schema
from manifests.arrow_types import empty_object
from manifests.builder.choice import Counts, choose_all, choose_evenly
from manifests.builder.emotions import Target, name_of
from manifests.builder.item import Item, Skipped, Source, image_of, location, refuse
from manifests.builder.recipe import Built, Captioner, ImageProblem, Recipe
from manifests.builder.survey import Survey, seed_of
from manifests.builder.write import ManifestWriter, manifest_schema
from manifests.read import intended_columns

ITEMS_AT_ONCE = 32
"""Items whose captions are made together."""

SOURCE_ID = "source_id"
"""The id of the item, where several rows were made of it."""

ROWS_BETWEEN_CALLS = 10_000

MAX_ROWS = 10_000_000
"""Rows of a manifest that is made of more than one row for an item."""

NO_WORDS = "image for which the captioner found no words"


def build(
    sources: Sequence[Source],
    output: str,
    recipe: Recipe,
    captioner: Captioner | None = None,
    image_problem: ImageProblem | None = None,
    force: bool = False,
    base: str | None = None,
    on_rows: Callable[[int], None] = lambda _: None,
) -> Built:
    """Write a manifest of what the sources hold, whole or not at all.

    Args:
        output: a local file.
        image_problem: is asked about every local image, with its mask; those with a problem are
            skipped.
        force: replace a file that is there.
        base: paths of images in or below this folder become relative to it, others absolute; by
            default the folder of the output.
        on_rows: is called now and then with the number of rows that are written.

    Raises:
        ManifestError: a source cannot be used, with all its problems; nothing is left to make; or
            the output exists.
    """
    refuse_output(output, force)
    survey = Survey(sources, recipe, captioner is not None, image_problem)
    counts = _chosen(survey, recipe)
    columns = manifest_schema(sources, survey, SOURCE_ID)
    if empty := empty_object(columns):
        names = ", ".join(source.path for source in sources)
        raise refuse(names, f"column {empty}: its objects are empty; leave the column out")
    parent = os.path.dirname(os.path.realpath(output))
    folder = base or parent
    work = _Writing(folder, recipe, survey, captioner, columns)
    Path(parent).mkdir(parents=True, exist_ok=True)
    with ManifestWriter(output, columns) as writer:
        chosen = iter(counts)
        for source in sources:
            for row in work.rows(source, chosen):
                writer.add(row)
                if writer.rows % ROWS_BETWEEN_CALLS == 0:
                    on_rows(writer.rows)
        if next(chosen, None) is not None:
            raise refuse(sources[-1].path, "was changed while it was read; start again")
        if not writer.rows:
            message = "nothing to make"
            names = ", ".join(source.path for source in sources)
            reasons = [*_reasons(survey, recipe), *work.skipped.lines()]
            raise refuse(names, "\n  ".join([message, *reasons]))
    work.built.rows, work.built.items = writer.rows, survey.items
    for source in sources:
        work.built.notes += source.notes
    problems = intended_columns(columns.names)
    work.built.warnings += [*survey.left_out.lines(), *work.skipped.lines(), *map(str, problems)]
    work.built.warnings += survey.twice.lines("kept")
    work.built.notes += [*survey.skipped.lines(), *work.built.warnings]
    work.built.notes += [*survey.repeated.lines("kept"), *survey.unused()]
    return work.built


def refuse_output(output: str, force: bool) -> None:
    """
    Raises:
        ManifestError: the output cannot be a manifest here, or exists.
    """
    if "://" in output:
        raise refuse(output, "is a URL; write the manifest here, then copy it")
    if Path(output).suffix != ".parquet":
        raise refuse(output, "a manifest is a parquet file; give a name that ends in .parquet")
    if os.path.isdir(output):
        raise refuse(output, "is a folder; give the name of a file")
    if os.path.exists(output) and not force:
        raise refuse(output, "exists; give --force to replace it, or another --output")


def _chosen(survey: Survey, recipe: Recipe) -> Counts:
    """How often each item is made for which target."""
    if recipe.balanced and () in survey.targets:
        message = "needs an emotion for every row; give --emotions, or all as --emotions all"
        raise refuse("--balanced", message)
    if recipe.balanced and recipe.limit is not None and recipe.limit < len(survey.targets):
        message = f"--limit {recipe.limit} is less than one row for each of the emotions, of which "
        raise refuse("--balanced", f"{message}there are {len(survey.targets)}; give more")
    asked = recipe.replicates * sum(len(entry.targets) for entry in survey.entries)
    if min(asked, recipe.limit or asked) > max(MAX_ROWS, len(survey.entries)):
        message = f"would be {asked:,} rows, of which at most {MAX_ROWS:,} can be made; give fewer"
        raise refuse(f"--replicates {recipe.replicates}", f"{message} replicates, or --limit")
    if recipe.chooses:
        seed = recipe.seed or 0
        return choose_evenly(survey.entries, recipe.replicates, recipe.limit, recipe.balanced, seed)
    return choose_all(survey.entries, recipe.replicates, recipe.limit)


def _reasons(survey: Survey, recipe: Recipe) -> Iterator[str]:
    """Lines on why nothing was left to write."""
    yield from survey.skipped.lines()
    yield from survey.left_out.lines()
    for source in survey.empty:
        yield f"{source.path} holds no item: it has no row, line or sample"
        yield from source.notes
    weights = dict.fromkeys(range(len(survey.targets)), 0.0)
    for entry in survey.entries:
        for target in entry.targets:
            weights[target] += entry.weight
    # Without a column of weights, each item has one above 0.
    unweighted = [survey.targets[number] for number, weight in weights.items() if not weight]
    if unweighted:
        of = ", ".join(name_of(target) for target in unweighted if target)
        items = f"every item of {of}" if len(unweighted) < len(weights) else "every item"
        yield f"--weights-column {recipe.weights_column}: {items} has the weight 0"


class _Writing:
    """The second reading of the sources, item by item."""

    def __init__(
        self,
        folder: str,
        recipe: Recipe,
        survey: Survey,
        captioner: Captioner | None,
        columns: pa.Schema,
    ):
        self.folder = folder
        self.recipe, self.survey, self.captioner = recipe, survey, captioner
        self.columns = columns
        self.built, self.skipped = Built(), Skipped()
        self._ids: set[str] = set()

    def rows(self, source: Source, chosen: Iterator[dict[int, int]]) -> Iterator[dict[str, Any]]:
        """The rows of a source. Of `chosen`, one is taken for each of its items."""
        items = source.items(Skipped())
        while chunk := list(itertools.islice(items, ITEMS_AT_ONCE)):
            used: list[tuple[Item, dict[int, int]]] = []
            for item in chunk:
                if (of_item := next(chosen, None)) is None:
                    raise refuse(source.path, "was changed while it was read; start again")
                if of_item:
                    used.append((item, of_item))
            prompts = self._prompts(source, [item for item, _ in used])
            for (item, of_item), prompt in zip(used, prompts, strict=True):
                if prompt:
                    yield from self._rows_of(source, item, prompt, of_item)
                else:
                    self.skipped.add(NO_WORDS, location(source, item))

    def _prompts(self, source: Source, items: Sequence[Item]) -> list[str]:
        """The prompt of each item: its own, that of all, or a caption."""
        prompts, open_places, images = [], [], []
        for place, item in enumerate(items):
            prompt = (item.values.get(schema.PROMPT) or "").strip() or self.recipe.prompt or ""
            prompts.append(prompt)
            if not prompt:
                open_places.append(place)
                image = image_of(item.values)
                assert image is not None
                images.append(
                    os.path.join(source.folder, image) if isinstance(image, str) else image
                )
        if images:
            assert self.captioner is not None
            for place, caption in zip(open_places, self.captioner(images), strict=True):
                prompts[place] = caption.strip()
        return prompts

    def _rows_of(
        self, source: Source, item: Item, prompt: str, of_item: Mapping[int, int]
    ) -> Iterator[dict[str, Any]]:
        values = dict(item.values)
        values[schema.PROMPT] = prompt
        values[schema.IMAGE] = self._stored_image(source, values)
        if (mask := values.get(schema.MASK)) is not None:
            values[schema.MASK] = self._stored_name(source, mask)
        seed, own = seed_of(values.get(schema.SEED)), values.get(schema.ID)
        several = sum(of_item.values()) > 1
        for number, copies in of_item.items():
            target = self.survey.targets[number]
            counts = self.built.generate if values[schema.IMAGE] is None else self.built.edit
            counts[name_of(target) if target else ""] += copies
            for copy in range(copies):
                row = {**values, schema.SEED: _seed_of_copy(seed, copy)}
                row[schema.EMOTION] = self._stored_emotion(target)
                if own is not None:
                    row[schema.ID] = str(own)
                    row[SOURCE_ID] = row.get(SOURCE_ID, str(own))
                    if several:
                        row[schema.ID] = self._id(source, item, str(own), target, copy)
                yield row

    def _stored_emotion(self, target: Target) -> Any:
        if not target:
            return None
        return list(target) if self.survey.has_mixtures else target[0][0]

    def _stored_image(self, source: Source, values: Mapping[str, Any]) -> Any:
        """An image as the manifest keeps it: a path relative to its folder, or absolute."""
        image = image_of(values)
        if image is None:
            return None
        if isinstance(image, str):
            image = self._stored_name(source, image)
        if pa.types.is_struct(self.columns.field(schema.IMAGE).type):
            is_path = isinstance(image, str)
            return {"bytes": None if is_path else image, "path": image if is_path else None}
        return image

    def _stored_name(self, source: Source, name: str) -> str:
        """A path as the manifest keeps it; a URL as it is."""
        if "://" in name:
            return name
        return stored_path(os.path.join(source.folder, name), self.folder)

    def _id(self, source: Source, item: Item, own: str, target: Target, copy: int) -> str:
        """An id for one of several rows of an item: `cat-awe`, then `cat-awe-2`."""
        parts = [own, name_of(target).replace(" ", "")] if target else [own]
        if copy:
            parts.append(str(copy + 1))
        name = "-".join(parts)
        if name in self._ids:
            message = f"would be {name!r} twice with the emotion; rename it"
            raise refuse(source.path, message, schema.ID, item.place)
        self._ids.add(name)
        return name


def stored_path(path: str, folder: str) -> str:
    """A path as a manifest in `folder` names it: relative if it is below, else absolute."""
    path = os.path.normpath(path)
    inside = os.path.relpath(path, folder)
    return path if inside.startswith("..") else inside


def _seed_of_copy(seed: int | None, copy: int) -> int | None:
    """The seed of a replicate: the first has the item's own, others derive from it."""
    if seed is None or copy == 0:
        return seed
    digest = hashlib.sha256(f"{seed}/{copy}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1
