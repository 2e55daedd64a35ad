"""What a manifest holds, in numbers: requests, prompts, images, and what is odd about them."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from manifests.check import Problem
from manifests.read import Manifest
from manifests.schema import Row
from muse.sizes import Size
from pipeline.config import Config
from pipeline.models.sizes import model_sizes
from pipeline.planning.checks.image_check import ImageCheck
from pipeline.planning.checks.prompt_check import PromptCheck
from pipeline.planning.checks.unused_settings import RowUse
from pipeline.planning.manifest_input import OnProgress, checked_manifest, no_progress
from pipeline.planning.plan import planned_requests
from pipeline.planning.request_sizes import RequestSizes, ranked
from pipeline.storage.addresses import public

MAX_EXAMPLES = 8
"""Prompts that are listed."""

MAX_REPEATED = 10
"""Rows that repeat an earlier one and are listed; the others are counted."""


@dataclass(frozen=True)
class SourceImages:
    """The source images of a manifest, as far as they were checked.

    Attributes:
        local, remote: how many rows name one of either kind.
        remote_fetched: how many of the remote ones were checked.
        unusable, cut: how many of those that were checked; `cut` are those of which a part is
            left out.
        relative_to: the folder or URL that relative paths refer to.
        sizes: how many there are of each width and height.
        made_at: how many are edited at each size; empty where the model's sizes are not known.
    """

    local: int
    remote: int
    remote_fetched: int
    unusable: int
    cut: int
    relative_to: str
    sizes: Mapping[Size, int]
    made_at: Mapping[Size, int]

    def as_json(self) -> dict[str, Any]:
        """The numbers, with sizes as `64x48`, the commonest first."""
        return {**vars(self), "sizes": ranked(self.sizes), "made_at": ranked(self.made_at)}


@dataclass(frozen=True)
class ManifestSummary:
    """What a manifest holds, as far as a run with these settings makes it.

    Attributes:
        manifest: as it was checked.
        requests: of the run.
        generate, edit: requests of either task by emotion; of a mixture by its members.
        masked: how many of the edits have a mask.
        request_sizes: requests by the size of their images.
        images: the source images, if there are any.
        cut_prompts: how many rows have a prompt of which so many tokens are not read.
        examples: the first prompts that differ, by the row in which each is first.
        unknown_words: words that the embedded model does not know, and in how many rows they are.
        repeated: how many rows have the prompt, image, emotion and seed of an earlier one.
        repeated_rows: the first of them, each with the row that it repeats.
        warnings: of prompts and emotions.
        problems: source images that cannot be used; their requests would fail.
    """

    manifest: Manifest
    requests: int
    generate: Mapping[str, int]
    edit: Mapping[str, int]
    masked: int
    request_sizes: RequestSizes
    images: SourceImages | None
    examples: Mapping[int, str]
    cut_prompts: Mapping[int, int]
    unknown_words: Mapping[str, int]
    repeated: int
    repeated_rows: Sequence[tuple[int, int]]
    warnings: Sequence[str]
    problems: Sequence[Problem]

    @property
    def emotions(self) -> Counter[str]:
        """Requests by emotion."""
        return Counter(self.generate) + Counter(self.edit)


class Repetitions:
    """Rows that have the content of an earlier one. 16 bytes of each row are kept: its number, and
    a hash of 64 bits."""

    def __init__(self) -> None:
        self._hashes, self._rows = array("q"), array("q")

    def add(self, row: Row) -> None:
        """Take note of a row."""
        targets = tuple(tuple(sorted(emotion.items())) for emotion in row.emotions)
        # Python gives text and bytes of the same letters the same hash.
        is_path = isinstance(row.image, str)
        image = (is_path, row.image, row.mask, row.size)
        content = (row.prompt, image, row.negative_prompt, row.seed, targets)
        self._hashes.append(hash(content))
        self._rows.append(row.number)

    def found(self) -> tuple[int, list[tuple[int, int]]]:
        """How many rows repeat an earlier one; and the first `MAX_REPEATED`, each with that one."""
        hashes = np.array(self._hashes, np.int64)
        _, first = np.unique(hashes, return_index=True)
        again = np.ones(len(hashes), bool)
        again[first] = False
        pairs = []
        for place in np.flatnonzero(again)[:MAX_REPEATED].tolist():
            earlier = int(np.flatnonzero(hashes == hashes[place])[0])
            pairs.append((self._rows[place], self._rows[earlier]))
        return int(again.sum()), pairs


def summarize(
    local: str, base: str, config: Config, on_progress: OnProgress = no_progress
) -> ManifestSummary:
    """Check a manifest, its prompts and its images, and count what it holds.

    Args:
        local: the manifest's file.
        base: the folder or URL that relative paths of images refer to.
        on_progress: is called with the number of rows that were read, and of all.

    Raises:
        ManifestError: the manifest cannot be used; with all its problems.
    """
    model = model_sizes(config)
    images, sizes = ImageCheck(base, config, model), RequestSizes(config, model)
    prompts, repetitions, use = PromptCheck(config), Repetitions(), RowUse(config)
    generate: Counter[str] = Counter()
    edit: Counter[str] = Counter()
    counted = masked = 0
    examples: dict[str, int] = {}

    def count(row: Row) -> None:
        nonlocal counted, masked
        left = config.limit - counted if config.limit else None
        names = [" + ".join(emotion) for emotion in row.emotions[:left]] or config.emotions[:left]
        (generate if row.image is None else edit).update(names)
        counted += len(names)
        masked += len(names) if row.mask is not None else 0
        if names:
            sizes.add(row, len(names))
            if len(examples) < MAX_EXAMPLES:
                examples.setdefault(row.prompt, row.number)
            for check in (images, prompts, repetitions, use):
                check.add(row)

    manifest = checked_manifest(local, config, on_row=count, on_progress=on_progress)
    images.finish()
    repeated, repeated_rows = repetitions.found()
    return ManifestSummary(
        manifest=manifest,
        requests=planned_requests(manifest, config),
        generate=generate,
        edit=edit,
        masked=masked,
        request_sizes=sizes,
        images=_source_images(images, base),
        examples={number: prompt for prompt, number in examples.items()},
        cut_prompts=dict(prompts.lengths.cut),
        unknown_words=dict(prompts.unknown_words),
        repeated=repeated,
        repeated_rows=repeated_rows,
        warnings=[*prompts.warnings, *use.warnings, *sizes.warnings],
        problems=images.problems,
    )


def listed(problems: Iterable[object], count: int) -> list[str]:
    """Problems in words, of which there are `count` in all."""
    lines = [str(problem) for problem in problems]
    if (more := count - len(lines)) > 0:
        lines.append(f"and {more} more")
    return lines


def _source_images(images: ImageCheck, base: str) -> SourceImages | None:
    if not images.local and not images.remote:
        return None
    return SourceImages(
        local=images.local,
        remote=images.remote,
        remote_fetched=images.fetched,
        unusable=images.unusable,
        cut=images.cut,
        relative_to=public(base),
        sizes=dict(images.sizes),
        made_at=dict(images.made_at),
    )
