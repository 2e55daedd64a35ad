"""Arms compared by the examiner: `python -m jobs.evaluation --json build/evaluate.json`.

Every arm (`jobs.evaluation.arms.registry`) makes the same requests from the same seeds, so the
starting noise is the same. In the full suite the best setting of each arm is found on requests of
another seed and with other contents, and every setting is made for curves of `right` by cost.
Tables are written to FILE.md and plots to FILE-*.png beside FILE.json. The keys of the report; a
figure is {mean, low, high, n} with its 95 % interval:

- `arms.ARM.TASK.METRIC`: tasks are `generation`, `editing`, of each the requests whose content by
  itself evokes the other polarity, `hard` and `hard_edits`, and `mixtures`. Metrics are those of
  `jobs.evaluation.measures.metrics`; also `sem_d` and `kid`; `cost`, everything that an image took
  in operations of one U-Net forward (`jobs.benchmark.cost`: backward passes, guide, decoder, CLIP
  and text encoders included, and all draws of `best-of-n`); and `seconds` an image, {mean, n}, of
  whole tasks and without an interval, since only batches are timed.
- `differences.ARM.TASK.METRIC`: `muse` minus the arm, paired by request.
- `splits.METRIC.ATTRIBUTE.ARM.TASK.VALUE`: `success_examiner` and `right` by `emotion` and
  `polarity` of the target, and by `inherent`: where the content by itself evokes the target
  (`same`), another emotion of its polarity (`polarity`) or the other polarity (`opposite`).
- `chosen.TASK.ARM`: the setting that `arms` has; that of `muse` also where only its ablations are
  among them. `trials.TASK.ARM.SETTING`: `right` and `cost` on the tuning seed, by which it was
  chosen. `left_out.TASK`: the ablations of a part that this setting does not have.
- `settings.ARM.SETTING.TASK.METRIC`: every setting, on the first of the requests.
- `equal_cost.TASK`: on those the best rival at up to 1.2 x the cost of `muse`
  (`jobs.evaluation.measures.equal_cost`).
- `confusion.ARM.TASK`: counts [target][the examiner's strongest], in the order of `labels`.
- `sdedit_at_equal_success`: the figures of `sdedit` at the strength with the success of `muse`,
  interpolated; null where no strength has it.
- `mixtures.RUN.FIGURE`: two-emotion targets, by `muse` in its chosen setting. RUN is `mixture`,
  `single` (the mean of runs for either emotion), `no-which` (cross-entropy alone), `gain` and
  `which`, the first minus either, and `rendered`, scenes with half of the factors of each. FIGURE
  is `ROLE_mass`, a classifier's probability of the pair, `ROLE_top3`, 1 where both are in its top
  three, and `content`.
- `curves`: similarity at every step without guidance, and the step at which `muse` started it.
- `sweep.SETTING.TASK.METRIC`: with `--sweep`; see `jobs.evaluation.sweeps`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import torch
import typer

from jobs.evaluation.arms.registry import ABLATIONS, NAMES
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
from jobs.evaluation.comparison import PARTS, evaluate
from jobs.evaluation.report.tables import as_markdown
from jobs.evaluation.sweeps import COUNT, SWEEPS, sweep
from manifests.check import ManifestError
from muse.emotions import MIKELS
from muse.method import Method
from muse.mini import WEIGHTS
from pipeline.errors import UserError
from pipeline.settings import load_config

PROMPTS = ("plain", "words", "cues", "oracle", "muse")
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
        counts: cases of each task.
        arms: their names, by task.
        tuning: cases of each task on which settings are chosen; 0 for the default ones.
        compared: cases of each task that every setting makes.
        curves: cases with a similarity curve.
    """

    counts: Mapping[str, int]
    arms: Mapping[str, tuple[str, ...]]
    tuning: int
    compared: int
    curves: int


def _suite(counts: Mapping[str, int], tuning: int, compared: int, curves: int) -> Suite:
    """A suite of all arms that make the cases of a task."""
    generation = (*PROMPTS, *ABLATIONS, *RIVALS)
    mixtures = tuple(arm for arm in generation if arm not in ONE_TARGET)
    arms = {"generation": generation, "editing": (*generation, "sdedit"), "mixtures": mixtures}
    return Suite(counts, arms, tuning, compared, curves)


SUITES = {
    # Under 10 minutes on 2 cores.
    "quick": _suite({"generation": 24, "editing": 16, "mixtures": 8}, 0, 0, curves=8),
    # Some hours on 2 cores, half of them for the settings that are not chosen.
    "full": _suite({"generation": 512, "editing": 512, "mixtures": 128}, 48, 128, curves=16),
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
            return {task: cases for task, cases in found.items() if cases and task in self.tasks}
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
        count = min(self.count or self.suite.tuning, self.suite.tuning)
        return drawn(dict.fromkeys(self.tasks, count), TUNING_SEED, TUNING_CONTENTS)

    @property
    def compared(self) -> int:
        """The cases of each task that every setting makes."""
        return min(self.count or self.suite.compared, self.suite.compared)

    def arms_of(self, task: str) -> Sequence[str]:
        possible = self.suite.arms[task]
        return possible if self.arms is None else [arm for arm in possible if arm in self.arms]

    @property
    def mixtures(self) -> int:
        """The two-emotion cases; 0 where the options name something else."""
        whole = self.arms is None and self.manifest is None and not self.sweeps
        if not whole or "mixtures" not in self.tasks:
            return 0
        return min(self.count or self.suite.counts["mixtures"], self.suite.counts["mixtures"])


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


def run(selection: Selection, weights: Path, method: Method) -> dict[str, Any]:
    """The figures of the report.

    Raises:
        UserError: the tuning seed is also that of the figures.
        ManifestError: the manifest cannot be read.
    """
    report: dict[str, Any] = {"curves": [], "sweep": {}}
    report |= {part: {} for part in PARTS}
    if selection.suite.tuning and selection.manifest is None and selection.seed == TUNING_SEED:
        raise UserError(
            f"settings are chosen on seed {TUNING_SEED}, so no figure is reported of it: give "
            "another --seed"
        )
    cases = selection.cases()
    for name in selection.sweeps:
        report["sweep"] |= sweep(weights, SWEEPS[name](method), cases)
    if not selection.sweeps:
        tuning = selection.tuning()
        whole = selection.arms is None and "generation" in cases
        curves = selection.suite.curves if whole else 0
        arms = {task: selection.arms_of(task) for task in cases}
        limits = selection.compared, curves, selection.mixtures
        report |= evaluate(weights, method, cases, arms, tuning, *limits)
    return report


def write(report: Mapping[str, Any], file: Path) -> None:
    """The report, its tables and its plots."""
    from jobs.evaluation.report.plots import draw_plots

    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(report, indent=2) + "\n")
    file.with_suffix(".md").write_text(as_markdown(report))
    draw_plots(report, file.with_suffix(""))


def names_in(option: str, value: str, known: Sequence[str]) -> list[str]:
    """The comma-separated names.

    Raises:
        typer.BadParameter: one that is not among `known`.
    """
    names = value.split(",")
    for name in names:
        if name not in known:
            raise typer.BadParameter(
                f"{name!r} is unknown; choose from {', '.join(known)}", param_hint=option
            )
    return names


def main(
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Report; tables and plots go beside it.")
    ] = None,
    suite: Annotated[str, typer.Option(help="quick (minutes) or full (hours).")] = "quick",
    arms: Annotated[str | None, typer.Option(help="Only these, comma-separated.")] = None,
    tasks: Annotated[str, typer.Option(help="Of generation, editing, mixtures.")] = ",".join(TASKS),
    manifest: Annotated[
        str | None, typer.Option(help="Use its requests instead of drawn ones.")
    ] = None,
    count: Annotated[
        int | None, typer.Option(help="Cases of each task, if not those of the suite.")
    ] = None,
    sweep_: Annotated[
        str | None,
        typer.Option(
            "--sweep",
            help=f"Compare settings instead of arms, on {COUNT} cases: {', '.join(SWEEPS)}.",
        ),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help=f"{TUNING_SEED} for sweeps, else {REPORTING_SEED}.")
    ] = None,
    weights: Path = WEIGHTS,
    threads: int = 2,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="A parameter of the method, as in tokens=2.")
    ] = None,
) -> None:
    """Compare arms on the embedded model by an independent classifier."""
    torch.set_num_threads(threads)
    began = time.monotonic()
    (suite,) = names_in("--suite", suite, list(SUITES))
    if seed is None:
        seed = TUNING_SEED if sweep_ else REPORTING_SEED
    selection = Selection(
        SUITES[suite],
        names_in("--tasks", tasks, TASKS),
        None if arms is None else names_in("--arms", arms, NAMES),
        [] if sweep_ is None else names_in("--sweep", sweep_, list(SWEEPS)),
        manifest,
        count,
        seed,
    )
    try:
        method = load_config(None, [f"method.{setting}" for setting in set_ or []], {}).method
        figures = run(selection, weights, method)
    except (UserError, ManifestError) as error:
        raise typer.BadParameter(str(error)) from None
    minutes = round((time.monotonic() - began) / 60, 1)
    about = {"seed": seed, "suite": suite, "method": method.model_dump(), "labels": MIKELS.labels}
    report = {**about, **figures, "minutes": minutes}
    if json_file is not None:
        write(report, json_file)
    print(as_markdown(report))


if __name__ == "__main__":
    typer.run(main)
