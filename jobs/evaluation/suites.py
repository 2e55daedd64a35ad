"""How much is evaluated: the suites, and what options select from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from jobs.evaluation.arms.registry import ABLATIONS, WHOLE
from jobs.evaluation.cases import (
    CONTENTS,
    REPORTED_CONTENTS,
    TUNING_CONTENTS,
    Case,
    Contents,
    draw_cases,
    draw_mixtures,
    manifest_cases,
)
from jobs.evaluation.sweeps import COUNT
from pipeline.errors import UserError

PROMPTS = ("plain", "words", "cues", "oracle", "muse", WHOLE)
RIVALS = ("direction", "best-of-n", "fk", "null", "latent")
ONE_TARGET = ("plain", "oracle")
"""Arms that say nothing of a mixture."""
TASKS = ("generation", "editing", "mixtures")
TUNING_SEED, REPORTING_SEED = 7, 3001
"""Of the requests on which settings are chosen, and of those that figures are reported of."""


@dataclass(frozen=True)
class Suite:
    """How much is evaluated.

    Attributes:
        counts: cases, by task.
        arms: their names, by task.
        tuning: cases on which settings are chosen, by task; empty for the default ones.
        compared: cases that every setting makes, by task.
        curves: cases with a similarity curve.
        mixtures: two-emotion cases that are compared with runs for either emotion.
    """

    counts: Mapping[str, int]
    arms: Mapping[str, tuple[str, ...]]
    tuning: Mapping[str, int]
    compared: Mapping[str, int]
    curves: int
    mixtures: int


def _by_task(*counts: int) -> dict[str, int]:
    return dict(zip(TASKS, counts, strict=True))


def _suite(
    counts: Mapping[str, int],
    tuning: Mapping[str, int],
    compared: Mapping[str, int],
    curves: int,
    mixtures: int,
) -> Suite:
    """A suite of all arms that make the cases of a task."""
    generation = (*PROMPTS, *ABLATIONS, *RIVALS)
    of_two = tuple(arm for arm in generation if arm not in ONE_TARGET)
    arms = {"generation": generation, "editing": (*generation, "sdedit"), "mixtures": of_two}
    return Suite(counts, arms, tuning, compared, curves, mixtures)


SUITES = {
    # About 10 minutes on 2 cores.
    "quick": _suite(_by_task(16, 16, 4), {}, {}, curves=8, mixtures=4),
    # About seven hours of one core in bfloat16, a quarter of it for choosing and comparing.
    "full": _suite(
        _by_task(512, 512, 128),
        _by_task(32, 32, 16),
        _by_task(32, 32, 16),
        curves=16,
        mixtures=64,
    ),
}


@dataclass(frozen=True)
class Selection:
    """What the options select from a suite; None: all of it."""

    suite: Suite
    tasks: Sequence[str]
    arms: Sequence[str] | None
    sweeps: Sequence[str]
    manifest: str | None
    count: int | None
    seed: int

    def cases(self) -> dict[str, list[Case]]:
        """The cases by task: those of the manifest, or drawn ones."""
        if self.manifest is not None:
            found = manifest_cases(self.manifest)
            of_tasks = {task: cases for task, cases in found.items() if task in self.tasks}
            return {task: cases[: self.count] for task, cases in of_tasks.items() if cases}
        counts = {}
        for task, of_suite in self.suite.counts.items():
            if task in self.tasks and not (self.sweeps and task == "mixtures"):
                counts[task] = self.count or (COUNT if self.sweeps else of_suite)
        is_tuned = self.suite.tuning and not self.sweeps
        return drawn(counts, self.seed, REPORTED_CONTENTS if is_tuned else CONTENTS)

    def tuning(self) -> dict[str, list[Case]] | None:
        """Cases of the same tasks on which settings are chosen; None for the default ones."""
        if not self.suite.tuning:
            return None
        counts = {}
        for task in self.tasks:
            counts[task] = min(self.count or self.suite.tuning[task], self.suite.tuning[task])
        return drawn(counts, TUNING_SEED, TUNING_CONTENTS)

    def arms_of(self, task: str) -> Sequence[str]:
        possible = self.suite.arms[task]
        return possible if self.arms is None else [arm for arm in possible if arm in self.arms]

    def refuse_nothing(self, cases: Mapping[str, Sequence[Case]]) -> None:
        """Refuse a selection of which nothing is left.

        Args:
            cases: those of the selection.

        Raises:
            UserError: with what excludes what.
        """
        tasks = ",".join(self.tasks)
        if self.manifest is not None and not cases:
            raise UserError(f"{self.manifest} has no row of --tasks {tasks}")
        if not cases:
            raise UserError("--sweep makes no mixtures; name other --tasks")
        if self.arms is not None and not any(self.arms_of(task) for task in cases):
            raise UserError(f"--arms {','.join(self.arms)} makes nothing of {', '.join(cases)}")

    @property
    def mixtures(self) -> int:
        """Of the suite; 0 where the options name something else."""
        whole = self.arms is None and self.manifest is None and not self.sweeps
        if not whole or "mixtures" not in self.tasks:
            return 0
        return min(self.count or self.suite.mixtures, self.suite.mixtures)


def drawn(counts: Mapping[str, int], seed: int, contents: Contents) -> dict[str, list[Case]]:
    """Cases of each task with such contents; those of edits are drawn by themselves."""
    cases: dict[str, list[Case]] = {}
    for task, count in counts.items():
        if task == "mixtures":
            cases[task] = draw_mixtures(count, seed, contents)
        else:
            editing = task == "editing"
            cases[task] = draw_cases(count, seed + editing, editing, contents)
    return cases
