"""Which samples a report shows: a few of each kind, chosen by a hash of their keys."""

from __future__ import annotations

import hashlib
import heapq
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from pipeline.generation.verdicts import ACCEPTED
from pipeline.output.sample_files import MIXTURE
from pipeline.view.rows import Part

MAX_TILES = 240
"""Generated pictures in the contact sheet, over all targets; and likewise edits."""

MAX_PER_TARGET = 24
MAX_EDITS_PER_TARGET = 8
MAX_REJECTED, MAX_DISAGREEING, MAX_UNLIKE = 36, 12, 8
MAX_CURVES, MAX_HASHES = 60, 4096

MIN_BEYOND = 0.1
"""How far the guide's confidence has to exceed the judge's for a sample to be shown for it."""


class Chosen:
    """The entries with the lowest ranks so far, at most `size`.

    Their positions distinguish entries with equal ranks, so that nothing depends on the order in
    which they come.
    """

    def __init__(self, size: int):
        self.size = size
        self.heap: list[tuple[float, int, Any]] = []

    def offer(self, rank: float, position: int, entry: Any) -> None:
        item = (-rank, -position, entry)
        if len(self.heap) < self.size:
            heapq.heappush(self.heap, item)
        elif item[:2] > self.heap[0][:2]:
            heapq.heapreplace(self.heap, item)

    def by_position(self) -> list[Any]:
        """The entries in the order of the plan."""
        return [entry for _, _, entry in sorted(self.heap, key=lambda item: -item[1])]

    def by_rank(self) -> list[Any]:
        """The entries, those of the lowest rank first."""
        return [entry for _, _, entry in sorted(self.heap, key=lambda item: (-item[0], -item[1]))]


@dataclass
class Samples:
    """The samples that a report shows, found while all rows go by.

    Attributes:
        labels: the emotions, in the order of the taxonomy.
        generated, edited: accepted samples by target.
        rejected: rejected ones whose image was kept.
        disagreeing: those that the guide confirms most beyond the judge.
        unlike: accepted edits that resemble their source images least.
        curves: traces of similarity with the step at which guidance began.
        hashes: perceptual hashes of accepted samples.

    Samples are named by their positions among the finished requests.
    """

    labels: Sequence[str]
    generated: dict[str, Chosen] = field(default_factory=dict)
    edited: dict[str, Chosen] = field(default_factory=dict)
    rejected: Chosen = field(default_factory=lambda: Chosen(MAX_REJECTED))
    disagreeing: Chosen = field(default_factory=lambda: Chosen(MAX_DISAGREEING))
    unlike: Chosen = field(default_factory=lambda: Chosen(MAX_UNLIKE))
    curves: Chosen = field(default_factory=lambda: Chosen(MAX_CURVES))
    hashes: Chosen = field(default_factory=lambda: Chosen(MAX_HASHES))
    seen: int = 0

    def add(self, part: Part, table: pa.Table) -> None:
        """Choose among the rows of a table with `figures.COLUMNS`."""
        for row in table.select(SHOWN).to_pylist():
            self._offer(row, self.seen, part.batch is not None)
            self.seen += 1

    def _offer(self, row: Mapping[str, Any], position: int, in_batch: bool) -> None:
        """Choose the sample at that position, if its turn comes.

        Args:
            in_batch: whether its row is in the file of a batch, with its image if that is kept.
        """
        if row["judge_confidence"] is None:
            return
        rank = rank_of(row["key"])
        has_image = row["status"] == ACCEPTED or row["shard"] is not None or in_batch
        if row["status"] == ACCEPTED:
            self._offer_accepted(row, position, rank)
        elif has_image:
            self.rejected.offer(rank, position, position)
        beyond = row["guide_confidence"] - row["judge_confidence"]
        if has_image and beyond >= MIN_BEYOND:
            self.disagreeing.offer(-beyond, position, position)
        # Where tokens stay as they were fitted, similarity is not measured on the way.
        if curve := json.loads(row["trace_similarity"] or "[]"):
            self.curves.offer(rank, position, (curve, row["start_step"]))

    def _offer_accepted(self, row: Mapping[str, Any], position: int, rank: float) -> None:
        target = row["emotion"] or MIXTURE
        share = max(2, MAX_TILES // len(self.labels))
        if row["task"] == "edit":
            chosen = self.edited.setdefault(target, Chosen(min(MAX_EDITS_PER_TARGET, share)))
            self.unlike.offer(row["source_similarity"] or 0.0, position, position)
        else:
            chosen = self.generated.setdefault(target, Chosen(min(MAX_PER_TARGET, share)))
        chosen.offer(rank, position, position)
        if row["phash"]:
            self.hashes.offer(rank, position, (row["phash"], position))

    def positions(self) -> set[int]:
        """All samples that are shown as pictures, but for near-duplicates."""
        chosen = [*self.generated.values(), *self.edited.values()]
        chosen += [self.rejected, self.disagreeing, self.unlike]
        return {position for group in chosen for position in group.by_position()}

    def targets(self, chosen: Mapping[str, Chosen]) -> list[str]:
        """The targets that have samples, mixtures last."""
        return [name for name in (*self.labels, MIXTURE) if name in chosen]


SHOWN = (
    "key",
    "status",
    "task",
    "emotion",
    "judge_confidence",
    "guide_confidence",
    "source_similarity",
    "start_step",
    "trace_similarity",
    "phash",
    "shard",
)
"""The columns by which samples are chosen."""


def rank_of(key: str) -> float:
    """A number in [0, 1) that a hash derives from the key: the same in every report."""
    digest = hashlib.blake2b(key.encode(), digest_size=7).digest()
    return int.from_bytes(digest, "big") / 2**56
