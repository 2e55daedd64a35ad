"""Everything that is wrong with a manifest, and what a run would warn of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from manifests import schema
from manifests.check import ManifestError, Problem, parse_row
from manifests.file import opened
from manifests.read import ROWS_AT_ONCE
from manifests.schema import Row
from pipeline.config import Config
from pipeline.planning.checks.image_check import ImageCheck
from pipeline.planning.checks.prompt_check import PromptCheck
from pipeline.planning.checks.unused_settings import RowUse
from pipeline.planning.manifest_input import (
    OnProgress,
    checked_manifest,
    fetched_manifest,
    folder_of,
    no_progress,
)

MAX_LISTED = 100_000
"""Problems that are listed; the rest are counted."""


@dataclass(frozen=True)
class Checked:
    """What was found in a manifest.

    Attributes:
        rows: how many could be used, but for their images.
        problems: the first `MAX_LISTED`: those of the file, then by row.
        more: how many further ones there are.
        local_images, remote_images, remote_fetched: how many images rows name, and how many of the
            remote ones were checked.
        warnings: what a run does all the same.
    """

    rows: int
    problems: Sequence[Problem]
    more: int
    local_images: int
    remote_images: int
    remote_fetched: int
    warnings: Sequence[str]


def check_manifest(
    manifest_path: str, config: Config, on_progress: OnProgress = no_progress
) -> Checked:
    """Read a manifest and look at its images.

    Args:
        on_progress: is called with the number of rows that were checked, and of all.

    Raises:
        UserError: it is ambiguous what to make of a source in the place of a manifest.
    """
    notes: list[str] = []
    with fetched_manifest(manifest_path, config, notes.append) as local:
        return _checked(local, folder_of(manifest_path), config, notes, on_progress)


def _checked(
    local: str, base: str, config: Config, notes: Sequence[str], on_progress: OnProgress
) -> Checked:
    images = ImageCheck(base, config, max_problems=MAX_LISTED)
    prompts, use = PromptCheck(config), RowUse(config)
    more, looked_at = 0, bytearray()

    def look(row: Row) -> None:
        looked_at.extend(bytes(row.number - len(looked_at)))
        looked_at.append(1)
        images.add(row)
        prompts.add(row)
        use.add(row)

    problems: list[Problem] = []
    try:
        checked_manifest(local, config, look, MAX_LISTED, on_progress)
    except ManifestError as error:
        problems, more = list(error.problems), error.more
        # The images of rows with other problems have not been looked at.
        for row in _images_of(local, {problem.row for problem in problems}, config):
            if looked_at[row.number : row.number + 1] != b"\x01":
                images.add(row)
    images.finish()
    problems += images.problems
    more += images.unusable - len(images.problems) + max(0, len(problems) - MAX_LISTED)
    problems.sort(key=lambda problem: -1 if problem.row is None else problem.row)
    return Checked(
        rows=looked_at.count(1),
        problems=problems[:MAX_LISTED],
        more=more,
        local_images=images.local,
        remote_images=images.remote,
        remote_fetched=images.fetched,
        warnings=[*notes, *prompts.warnings, *use.warnings],
    )


def _images_of(local: str, numbers: set[int | None], config: Config) -> Iterator[Row]:
    """The rows of these numbers as far as their images go, where those can be read."""
    if numbers <= {None}:
        return
    with opened(local) as file:
        if schema.IMAGE not in file.plain.names:
            return
        names = [name for name in (schema.IMAGE, schema.MASK) if name in file.plain.names]
        number = 0
        for batch in file.batches(ROWS_AT_ONCE, columns=names):
            for place in range(batch.num_rows):
                if number in numbers:
                    values = {name: batch.column(name)[place].as_py() for name in names}
                    values[schema.PROMPT] = "-"
                    row, _ = parse_row(number, values, config.taxonomy.labels)
                    if row is not None:
                        yield row
                number += 1
