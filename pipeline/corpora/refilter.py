"""Thresholds applied late: another corpus from the scores of a finished one, without a model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa

from pipeline.config import Config, as_dict, fingerprint_settings
from pipeline.corpora.corpus import (
    NumberedResults,
    derived_run,
    finished_run,
    pack,
    read_results,
    schema_of,
)
from pipeline.errors import UserError
from pipeline.generation.results import Result
from pipeline.generation.verdicts import ACCEPTED, FAILED, decide, unscored
from pipeline.output.rows import RowLayout, layout_of
from pipeline.output.run_file import RunFile, as_stored
from pipeline.settings import revised
from pipeline.storage.files import Location

LATE = (
    "min_confidence",
    "min_similarity",
    "min_source_similarity",
    "near_duplicates",
    "filters",
    "quota",
    "quota_by",
    "keep_rejected",
    "shard_size",
)
"""Settings that can be changed without making an image again."""


class _Redecision:
    """Verdicts under new thresholds, and counts of what they could not decide.

    Attributes:
        without_image: samples that reach the thresholds and whose images were not kept.
        unscored: by filter, the samples that have no score of it.
    """

    def __init__(self, config: Config, layout: RowLayout):
        self.config, self.layout = config, layout
        self.without_image = 0
        self.unscored: Counter[str] = Counter()

    def batches(self, source: Location, run: RunFile) -> Iterator[NumberedResults]:
        for number, results in read_results(source, run):
            yield number, [self.decide(result) for result in results]

    def decide(self, result: Result) -> Result:
        """The result under the new thresholds; as it is where there is nothing to decide."""
        record = result.record
        if record["status"] == FAILED or not record["attempts"]:
            return result
        self.unscored.update(unscored(record, self.layout, self.config))
        verdict = decide(record, self.layout, self.config)
        accepted = verdict.status == ACCEPTED
        if accepted and result.image is None:
            self.without_image += 1
            return result
        changed = {"status": verdict.status, "reason": verdict.reason}
        kept = accepted or self.config.keep_rejected
        return Result({**record, **changed}, result.image if kept else None)

    def warnings(self) -> Iterator[str]:
        if self.without_image:
            yield (
                f"{self.without_image} sample(s) reach the thresholds but stay rejected, because "
                "their images were not kept; a run with keep_rejected = true keeps them"
            )
        for name, count in sorted(self.unscored.items()):
            yield (
                f"{count} sample(s) have no score of filter {name} and pass it: their corpus was "
                "made without it"
            )


def refilter(
    source: Location,
    output: Location,
    assignments: Sequence[str],
    flags: Mapping[str, Any],
    warn: Callable[[str], None],
) -> Mapping[str, Any]:
    """The corpus that other thresholds make of `source`, in `output`; returns its counts.

    Thresholds can be raised freely. Lowered, they bring back what was rejected only where its
    image was kept (`keep_rejected`). Of several candidates only the best one is known.

    Args:
        assignments, flags: the settings that change (see `pipeline.settings`).
        warn: called with a sentence about samples that could not be decided.

    Raises:
        UserError: not a complete corpus, a setting that would need new images, or an output that
            holds another one.
    """
    run = finished_run(source)
    config = revised(run.config, assignments, flags)
    schema = schema_of(source, run)
    _check_settings(source, run, config, schema)
    parts = {**run.parts, "config": fingerprint_settings(config), "refiltered": run.fingerprint}
    described = derived_run(run, parts, config, run.requests)
    redecision = _Redecision(config, layout_of(schema))
    batches = redecision.batches(source, run)
    counts = pack(output, described, config, schema, {source: run}, batches)
    for warning in redecision.warnings():
        warn(warning)
    return counts


def _check_settings(source: Location, run: RunFile, config: Config, schema: pa.Schema) -> None:
    """Refuse settings that would need new images or scores that are not there."""
    stored = as_stored(as_dict(config))
    fixed = [key for key in stored if key not in LATE and stored[key] != run.config.get(key)]
    if fixed:
        raise UserError(
            f"{', '.join(fixed)}: cannot be changed without new images; refilter can change "
            f"{', '.join(LATE)}"
        )
    unknown = sorted(config.filters.keys() - run.config["filters"].keys())
    if unknown:
        raise UserError(
            f"filters.{unknown[0]}: {source} has no scores of it; it was made without that filter"
        )
    columns = ["emotion", *layout_of(schema).groups.get("manifest", {})]
    if config.quota and config.quota_by not in columns:
        raise UserError(
            f"quota_by is {config.quota_by!r}, which is no further column of the manifest; choose "
            f"{', '.join(columns)}"
        )
