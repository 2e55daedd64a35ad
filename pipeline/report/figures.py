"""The figures of a report: counts and histograms of all finished requests, in constant memory."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.generation.verdicts import ACCEPTED, REJECTED
from pipeline.index.reasons import ReasonCounts
from pipeline.output.sample_files import MIXTURE

FINE = 50
"""Bins that are counted for each one that is drawn."""

FINE_BINS = np.linspace(-1, 1, 80 * FINE + 1)
"""Edges of the bins in which cosines and structural similarity are counted: 0.0005 wide, so that
a median is known to two decimals."""

COSINE_BINS = FINE_BINS[::FINE]
"""Edges of the bins of a chart, 0.025 wide."""

SCORES = ("similarity", "source_similarity", "source_ssim")

AS_FITTED, UPDATED, UNCHANGED = "as fitted", "updated", "unchanged"
"""What became of an image's tokens. Those that are unchanged might have been updated: the guide
was confident from the start, or guidance never began."""

COLUMNS = (
    "key",
    "status",
    "task",
    "emotion",
    "mixture",
    "reason",
    "row",
    "prompt",
    "judge_emotion",
    "judge_confidence",
    "guide_emotion",
    "guide_confidence",
    *SCORES,
    "attempts",
    "total_nfe",
    "start_step",
    "inherent",
    "updates",
    "prompt_truncated",
    "trace_similarity",
    "phash",
    "shard",
)
"""The columns that figures and samples are made from."""


@dataclass
class Figures:
    """Counts over all finished requests.

    Attributes:
        outcomes: requests by target (an emotion, or `mixture`) and status.
        tasks: requests by task and status.
        judged: scored requests by target and the judge's strongest emotion; no mixtures.
        opinions: scored requests by the guide's and the judge's strongest emotion.
        endings: why requests were rejected or failed, and whose prompts were cut.
        fine: of each score, by status: how many requests are in each of `FINE_BINS`.
        lowest: of each score, by status.
        attempts, start_steps: requests by these numbers.
        unknown_words: the words of a prompt that the model does not know; None where it may know
            any.
        partly_known: requests whose prompts have such words.
        tokens: images by what became of their tokens: `AS_FITTED`, `UPDATED` or `UNCHANGED`.
        updates: of all their tokens.
        nfe: network evaluations in all.
        accepted_nfe: those of accepted samples alone.
        confidence_sum: of the judge over accepted samples.
    """

    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    tasks: Counter[tuple[str, str]] = field(default_factory=Counter)
    judged: Counter[tuple[str, str]] = field(default_factory=Counter)
    opinions: Counter[tuple[str, str]] = field(default_factory=Counter)
    endings: ReasonCounts = field(default_factory=ReasonCounts)
    fine: dict[tuple[str, str], np.ndarray[Any, Any]] = field(default_factory=dict)
    lowest: dict[tuple[str, str], float] = field(default_factory=dict)
    attempts: Counter[int] = field(default_factory=Counter)
    start_steps: Counter[int] = field(default_factory=Counter)
    unknown_words: Callable[[str], list[str]] | None = None
    partly_known: int = 0
    tokens: Counter[str] = field(default_factory=Counter)
    updates: int = 0
    nfe: int = 0
    accepted_nfe: int = 0
    confidence_sum: float = 0.0

    def count(self, status: str | None = None) -> int:
        """How many requests are finished, or ended so."""
        return sum(n for (_, ended), n in self.outcomes.items() if status in (None, ended))

    def attempt_count(self) -> int:
        """Attempts at all requests together."""
        return sum(number * requests for number, requests in self.attempts.items())

    def add(self, table: pa.Table) -> None:
        """Count the requests of a table with `COLUMNS`."""
        targets = pc.fill_null(table["emotion"], MIXTURE)
        table = table.append_column("target", targets)
        self.outcomes.update(_counted(table, ["target", "status"]))
        self.tasks.update(_counted(table, ["task", "status"]))
        scored = table.filter(table["judge_emotion"].is_valid())
        single = scored.filter(scored["emotion"].is_valid())
        self.judged.update(_counted(single, ["target", "judge_emotion"]))
        self.opinions.update(_counted(scored, ["guide_emotion", "judge_emotion"]))
        self.endings.add(table)
        if self.unknown_words:
            for prompt in table["prompt"].to_pylist():
                self.partly_known += bool(self.unknown_words(prompt))
        for status in (ACCEPTED, REJECTED):
            self._add_scores(scored.filter(pc.equal(scored["status"], status)), status)
        made = table.filter(pc.greater(table["attempts"], 0))
        self.attempts.update(made["attempts"].to_pylist())
        self.start_steps.update(step for step in made["start_step"].to_pylist() if step is not None)
        self._add_tokens(table.filter(table["updates"].is_valid()))
        accepted = table.filter(pc.equal(table["status"], ACCEPTED))
        self.nfe += pc.sum(table["total_nfe"]).as_py() or 0
        self.accepted_nfe += pc.sum(accepted["total_nfe"]).as_py() or 0
        self.confidence_sum += pc.sum(accepted["judge_confidence"]).as_py() or 0.0

    def _add_tokens(self, table: pa.Table) -> None:
        """Count images of an engine with a model by what became of their tokens."""
        updated = pc.greater(table["updates"], 0)
        # Guidance by tokens that stay as they were fitted begins without a look at the content,
        # which would have found an inherent emotion.
        unseen = pc.and_(table["start_step"].is_valid(), table["inherent"].is_null())
        names = pc.if_else(updated, UPDATED, pc.if_else(unseen, AS_FITTED, UNCHANGED))
        self.tokens.update(names.to_pylist())
        self.updates += pc.sum(table["updates"]).as_py() or 0

    def _add_scores(self, table: pa.Table, status: str) -> None:
        for name in SCORES:
            values = table[name].drop_null().to_numpy()
            if not len(values):
                continue
            counts, _ = np.histogram(np.clip(values, -1, 1), FINE_BINS)
            self.fine[name, status] = self.fine.get((name, status), 0) + counts
            lowest = self.lowest.get((name, status), math.inf)
            self.lowest[name, status] = min(lowest, float(values.min()))

    def scored(self, name: str, status: str = ACCEPTED) -> int:
        """How many requests have a score."""
        return int(self.fine[name, status].sum()) if (name, status) in self.fine else 0

    def histogram(self, name: str, status: str) -> np.ndarray[Any, Any]:
        """How many of them are in each of `COSINE_BINS`."""
        return self.fine[name, status].reshape(-1, FINE).sum(1)

    def median(self, name: str, status: str = ACCEPTED) -> float:
        """The median of a score, to within 0.0005; of an even number the lower of the middle two.

        Raises:
            KeyError: there are no values.
        """
        counts = self.fine[name, status]
        number = int(np.searchsorted(np.cumsum(counts), counts.sum() / 2))
        return float((FINE_BINS[number] + FINE_BINS[number + 1]) / 2)


def _counted(table: pa.Table, columns: list[str]) -> Mapping[Any, int]:
    """How often each combination of values occurs."""
    groups = table.group_by(columns).aggregate([([], "count_all")])
    keys = zip(*(groups[name].to_pylist() for name in columns), strict=True)
    return dict(zip(keys, groups["count_all"].to_pylist(), strict=True))
