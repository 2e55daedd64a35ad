"""A manifest as a run reads it: from any storage, checked, and as batches."""

from __future__ import annotations

import itertools
import os
import posixpath
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from manifests.check import MAX_PROBLEMS, ManifestError, Problem
from manifests.file import opened
from manifests.read import Manifest, check, find_request, rows_of
from manifests.schema import IMAGE, WIDTH, Row
from pipeline.config import Config
from pipeline.errors import UserError
from pipeline.models.sizes import model_sizes, side_problems
from pipeline.planning.direct_source import built_manifest, is_direct
from pipeline.planning.plan import (
    GROUPED_BATCHES,
    KEY_DIGITS,
    Batch,
    plan_batches,
    plan_requests,
    planned_requests,
)
from pipeline.storage.addresses import public
from pipeline.storage.files import fetched
from pipeline.storage.remote import is_url

OnProgress = Callable[[int, int], None]
"""Takes the number of rows that were read, and of all of them."""


def no_progress(done: int, total: int) -> None:
    """Shows nothing of how far a check has come."""


@contextmanager
def fetched_manifest(
    path: str, config: Config, warn: Callable[[str], None] = lambda _: None
) -> Iterator[str]:
    """A local path with the manifest's content. For a URL it is a copy, for a text file, a table or
    a folder of images a manifest of it; either for as long as the context lasts.

    Args:
        warn: is called with what was skipped or guessed on the way.

    Raises:
        ManifestError: the manifest has problems; they are reported under its own name.
        UserError: it is ambiguous what to make of the source.
    """
    try:
        with fetched(path, config.store_timeout_s) as local:
            if not is_direct(local):
                yield local
                return
            with built_manifest(local, config, warn) as built:
                yield built
    except ManifestError as error:
        raise ManifestError(public(path), error.problems, error.more, error.notes) from None
    except FileNotFoundError as error:
        if not is_url(path):
            raise
        message = f"cannot be opened ({public(str(error))}); check the URL"
        raise ManifestError(public(path), [Problem(None, None, message)]) from None


def checked_manifest(
    path: str,
    config: Config,
    on_row: Callable[[Row], None] | None = None,
    max_problems: int = MAX_PROBLEMS,
    on_progress: OnProgress = no_progress,
) -> Manifest:
    """The manifest in a local file, read once and checked by the settings.

    Args:
        on_row: called with every valid row, in order.
        max_problems: how many problems are listed; the rest are counted.
        on_progress: called with every valid row, the last one included.

    Raises:
        ManifestError: with all that is wrong with it.
    """
    labels, emotions = config.taxonomy.labels, len(config.emotions)
    with opened(path) as file:
        total = file.file.metadata.num_rows

    def on_valid_row(row: Row) -> None:
        if on_row is not None:
            on_row(row)
        on_progress(row.number + 1, total)

    of_sides = side_problems(model_sizes(config), config.image_format)
    columns = config.allow_columns
    return check(path, labels, emotions, on_valid_row, columns, max_problems, of_sides)


def has_images(manifest: Manifest) -> bool:
    """Whether the manifest has a column of source images."""
    with opened(manifest.path) as file:
        return IMAGE in file.plain.names


def has_sizes(manifest: Manifest) -> bool:
    """Whether the manifest has columns of the sizes of images."""
    with opened(manifest.path) as file:
        return WIDTH in file.plain.names


def folder_of(path: str) -> str:
    """The folder that relative image paths of a manifest refer to; for a loop of links, which is
    refused where it is opened, the one that it is in."""
    return posixpath.dirname(path if "://" in path else os.path.realpath(path))


def batches_of(manifest: Manifest, config: Config, first: int = 0) -> Iterator[Batch]:
    """The batches of the plan from number `first` on, read from the manifest in a stream.

    Raises:
        OSError: the manifest is not the one that was checked any more.
    """
    grouped, wanted = has_sizes(manifest), first
    if grouped:
        first -= first % GROUPED_BATCHES
    before = first * config.batch_size
    row, passed = find_request(manifest.path, before, len(config.emotions)) if first else (0, 0)
    rows = rows_of(manifest, config.taxonomy.labels, row)
    requests = plan_requests(rows, config, before, passed)
    for batch in plan_batches(requests, config.batch_size, first, grouped):
        # Its rows have been read by now: if the file is still the same, they are those of the plan.
        manifest.refuse_change()
        if batch.number >= wanted:
            yield batch


class PlannedKeys:
    """The keys of each batch of a plan, in their order.

    Where the manifest gives no sizes, nothing is read for that. Otherwise those of the batches that
    are ordered together are held, and no others: memory does not grow with the plan.
    """

    def __init__(self, manifest: Manifest, config: Config):
        self.manifest, self.config = manifest, config
        self.requests, self.grouped = planned_requests(manifest, config), has_sizes(manifest)
        self._known: dict[int, list[str]] = {}

    def of(self, number: int) -> list[str]:
        """Those of a batch; empty if there is no such batch."""
        size = self.config.batch_size
        if not self.grouped:
            numbers = range(number * size, min((number + 1) * size, self.requests))
            return [f"{request:0{KEY_DIGITS}d}" for request in numbers]
        if number not in self._known and number * size < self.requests:
            first = number - number % GROUPED_BATCHES
            batches = batches_of(self.manifest, self.config, first)
            together = itertools.islice(batches, GROUPED_BATCHES)
            self._known = {
                batch.number: [request.key for request in batch.requests] for batch in together
            }
        return self._known.get(number, [])


def check_quota_column(manifest: Manifest, config: Config) -> None:
    """
    Raises:
        UserError: `quota_by` names no column of the manifest.
    """
    columns = ("emotion", *manifest.extra.names)
    if config.quota and config.quota_by not in columns:
        raise UserError(
            f"{config.source_of('quota_by')}: quota_by = {config.quota_by!r}: the manifest has no "
            f"such column; choose {', '.join(columns)}"
        )
