"""Thresholds applied late: another corpus from the scores of a finished one, without a model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa

from pipeline.config import Config, as_dict, fingerprint_settings
from pipeline.config_models import with_current_values
from pipeline.corpora.corpus import (
    NumberedResults,
    derived_run,
    finished_run,
    pack,
    read_results,
    schema_of,
)
from pipeline.corpora.flags import ACCEPT, REJECT, Flags, read_flags
from pipeline.corpora.sources import reading
from pipeline.errors import UserError
from pipeline.generation.results import Result
from pipeline.generation.verdicts import (
    ACCEPTED,
    BY_HAND,
    FAILED,
    REJECTED,
    Verdict,
    decide,
    unscored,
)
from pipeline.output.rows import RowLayout, layout_of
from pipeline.output.run.run_file import RunFile, as_stored
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

NOT_KEPT = "not kept: would be accepted now, but the image was not kept"
NOT_MADE = "not made: "
"""Reasons of samples that other thresholds would accept, and that have no image."""


class _Redecision:
    """Verdicts under new thresholds, and counts of what they could not decide.

    Args:
        flags: verdicts of people by key, which go before the thresholds.
        is_same: whether all thresholds are those of the source.

    Attributes:
        without_image: samples that are to be accepted and whose images were not kept.
        failed: samples that are to be accepted by hand and have failed.
        unscored: by filter, the samples that have no score of it.
    """

    def __init__(self, config: Config, layout: RowLayout, flags: Mapping[str, str], is_same: bool):
        self.config, self.layout, self.flags = config, layout, flags
        self.is_same = is_same
        self.without_image = self.failed = 0
        self.unscored: Counter[str] = Counter()

    def batches(self, source: Location, run: RunFile) -> Iterator[NumberedResults]:
        for number, results in read_results(source, run):
            yield number, [self.decide(result) for result in results]

    def decide(self, result: Result) -> Result:
        """The result under the new thresholds; as it is where there is nothing to decide."""
        record = result.record
        flag = self.flags.get(record["key"])
        if record["status"] == FAILED or not record["attempts"]:
            self.failed += flag == ACCEPT
            return self._not_made(result)
        if flag is None:
            self.unscored.update(unscored(record, self.layout, self.config))
            verdict = decide(record, self.layout, self.config)
        else:
            by_hand = Verdict(REJECTED, BY_HAND)
            verdict = by_hand if flag == REJECT else Verdict(ACCEPTED)
        accepted = verdict.status == ACCEPTED
        if accepted and result.image is None:
            self.without_image += 1
            return Result({**record, "reason": NOT_KEPT}, None)
        changed = {"status": verdict.status, "reason": verdict.reason}
        kept = accepted or self.config.keep_rejected
        return Result({**record, **changed}, result.image if kept else None)

    def _not_made(self, result: Result) -> Result:
        """A request that has no scores. If a quota dropped it, that was the one of the source, and
        among the samples that were accepted there."""
        reason = result.record["reason"]
        if self.is_same or result.record["status"] == FAILED or reason.startswith(NOT_MADE):
            return result
        return Result({**result.record, "reason": f"{NOT_MADE}{reason}, in the source"}, None)

    def warnings(self) -> Iterator[str]:
        if self.without_image:
            cause = "are to be accepted" if self.flags else "reach the thresholds"
            yield (
                f"{self.without_image} sample(s) {cause} but stay rejected, because their images "
                "were not kept; a run with keep_rejected = true keeps them"
            )
        if self.failed:
            yield f"{self.failed} sample(s) are flagged to be accepted, but have no image"
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
    by_hand: Location | None = None,
    settings_from: str | None = None,
) -> Mapping[str, Any]:
    """The corpus that other thresholds make of `source`, in `output`; returns its counts.

    Thresholds can be raised freely. Lowered, they bring back what was rejected only where its
    image was kept (`keep_rejected`). Of several candidates only the best one is known.

    Args:
        assignments, flags: the settings that change (see `pipeline.settings`).
        warn: called with a sentence about samples that could not be decided.
        by_hand: a file of flags (see `pipeline.corpora.flags`), which go before the thresholds.
        settings_from: where `flags` came from, if not from the options of a command.

    Raises:
        UserError: not a complete corpus, or one that is being written; a setting that would need
            new images, or an output that holds another one.
    """
    with reading(source):
        return _refilter(source, output, assignments, flags, warn, by_hand, settings_from)


def _refilter(
    source: Location,
    output: Location,
    assignments: Sequence[str],
    flags: Mapping[str, Any],
    warn: Callable[[str], None],
    by_hand: Location | None,
    settings_from: str | None,
) -> Mapping[str, Any]:
    run = finished_run(source)
    config = revised(run.config, assignments, flags, settings_from)
    schema = schema_of(source, run)
    _check_settings(source, run, config, schema)
    parts = {**run.parts, "config": fingerprint_settings(config), "refiltered": run.fingerprint}
    marked = _flags(by_hand, run)
    if marked.by_key:
        parts["flags"] = marked.described()
    described = derived_run(run, parts, config, run.requests)
    stored = as_stored(as_dict(config))
    is_same = not marked.by_key and all(stored[name] == run.config.get(name) for name in LATE)
    redecision = _Redecision(config, layout_of(schema), marked.by_key, is_same)
    batches = redecision.batches(source, run)
    counts = pack(output, described, config, schema, {source: run}, batches)
    for warning in redecision.warnings():
        warn(warning)
    return counts


def _completed(config: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Settings with those that they lack, in their tables too."""
    completed = {**defaults, **config}
    for name, table in defaults.items():
        if isinstance(table, Mapping) and isinstance(config.get(name), Mapping):
            completed[name] = _completed(config[name], table)
    return completed


def _flags(by_hand: Location | None, run: RunFile) -> Flags:
    """
    Raises:
        UserError: there is no such file, or it holds no flags of this run.
    """
    if by_hand is None:
        return Flags(run.fingerprint)
    if not by_hand.exists():
        raise UserError(f"{by_hand} does not exist; `muse-batch view` writes flags")
    return read_flags(by_hand, run)


def _check_settings(source: Location, run: RunFile, config: Config, schema: pa.Schema) -> None:
    """Refuse settings that would need new images or scores that are not there."""
    stored = as_stored(as_dict(config))
    # A corpus of an earlier version lacks the settings that have come since.
    before = _completed(with_current_values(run.config), as_stored(as_dict(Config())))
    fixed = [key for key in stored if key not in LATE and stored[key] != before[key]]
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
