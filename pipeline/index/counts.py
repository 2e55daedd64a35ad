"""Counts of a corpus: by status, by task, and accepted of requested for each target."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from pipeline.generation.verdicts import ACCEPTED, STATUSES

MAX_MIXTURES = 100
"""Mixtures that are counted by name."""

MAX_KNOWN_MIXTURES = 100_000
"""Mixtures that are distinguished; those after them in the plan are counted together. So a
manifest with another mixture in each row costs no more memory than one with so many."""

OTHER_MIXTURES = "other mixtures"

COLUMNS = ["status", "task", "emotion", "mixture"]


class SampleCounts:
    """Counts of the records that were added.

    A mixture counts for none of its members. Of more than `MAX_MIXTURES` mixtures those that are
    requested most are counted by name, the others together.
    """

    def __init__(self) -> None:
        self.statuses, self.tasks = Counter[str](), Counter[str]()
        self.emotions, self.mixtures = _TargetCounts(), _TargetCounts()

    def add(self, table: pa.Table) -> None:
        """Count the records of a shard."""
        # Without threads, groups come in the order of their first records.
        groups = table.group_by(COLUMNS, use_threads=False).aggregate([([], "count_all")])
        for group in groups.to_pylist():
            count, accepted = group["count_all"], group["status"] == ACCEPTED
            self.statuses[group["status"]] += count
            self.tasks[group["task"]] += count
            if group["emotion"] is None:
                self.mixtures.add(self._known(group["mixture"]), count, accepted)
            else:
                self.emotions.add(group["emotion"], count, accepted)

    def _known(self, mixture: str) -> str:
        known = self.mixtures.requested
        has_room = mixture in known or len(known) < MAX_KNOWN_MIXTURES
        return mixture if has_room else OTHER_MIXTURES

    def as_dict(self, labels: Sequence[str]) -> dict[str, Any]:
        """The counts as in `run.json`.

        Args:
            labels: the emotions, in the order in which they are listed.
        """
        requested = [label for label in labels if self.emotions.requested[label]]
        return {
            "requests": self.statuses.total(),
            **{status: self.statuses[status] for status in STATUSES},
            "emotions": self.emotions.table(requested),
            "mixtures": self.mixtures.most_requested(),
            "tasks": dict(sorted(self.tasks.items())),
        }


class _TargetCounts:
    """Requests and accepted samples by the name of their target."""

    def __init__(self) -> None:
        self.requested, self.accepted = Counter[str](), Counter[str]()

    def add(self, name: str, count: int, accepted: bool) -> None:
        self.requested[name] += count
        if accepted:
            self.accepted[name] += count

    def table(self, names: Sequence[str]) -> dict[str, dict[str, int]]:
        return {
            name: {"requests": self.requested[name], "accepted": self.accepted[name]}
            for name in names
        }

    def most_requested(self) -> dict[str, dict[str, int]]:
        names = self.requested.keys() - {OTHER_MIXTURES}
        ranked = sorted(names, key=lambda name: (-self.requested[name], name))
        table = self.table(ranked[:MAX_MIXTURES])
        others = [*ranked[MAX_MIXTURES:], *(self.requested.keys() - names)]
        if others:
            table[OTHER_MIXTURES] = {
                "requests": sum(self.requested[name] for name in others),
                "accepted": sum(self.accepted[name] for name in others),
            }
        return table
