"""Arms compared by the examiner: `python -m jobs.evaluation --json build/evaluate.json`.

Every arm (`jobs.evaluation.arms`) makes the same requests from the same seeds, so the starting
noise is the same. Tables are written to FILE.md and plots to FILE-*.png beside FILE.json. The keys
of the report; a figure is {mean, low, high, n} with its 95 % interval:

- `arms.ARM.TASK.METRIC`: tasks are `generation`, `editing`, and of each the requests whose content
  by itself evokes the other polarity, `hard` and `hard_edits`. Metrics are those of
  `jobs.evaluation.metrics`; also `sem_d`; `cost`, everything that an image took in operations of
  one U-Net forward (`jobs.benchmark.cost`: backward passes, guide, decoder, CLIP and text encoders
  included, and all draws of `rejection`); and `seconds` an image, {mean, n}, of whole tasks and
  without an interval, since only batches are timed. For edits `inversion` is another name of
  `prompted`.
- `differences.ARM.TASK.METRIC`: `muse` minus the arm, paired by request.
- `emotions.ARM.TASK.EMOTION`, `inherent.ARM.TASK.RELATION`: success by the examiner for each
  target, and where the content by itself evokes the target (`same`), another emotion of its
  polarity (`polarity`) or the other polarity (`opposite`).
- `confusion.ARM.TASK`: counts [target][the examiner's strongest], in the order of `labels`.
- `draws.TASK`: the images that `rejection` drew a request: the cost of `muse` over that of one
  draw, rounded up.
- `sdedit_at_equal_success`: the figures of `sdedit` at the strength with the success of `muse`,
  interpolated; null where no strength has it.
- `mixtures.RUN.FIGURE`: two-emotion targets. RUN is `mixture`, `single` (the mean of runs for
  either emotion), `no-which` (cross-entropy alone), `gain` and `which`, the first minus either, and
  `rendered`, scenes with half of the factors of each. FIGURE is `ROLE_mass`, a classifier's
  probability of the pair, `ROLE_top3`, 1 where both are in its top three, and `content`.
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

from jobs.evaluation.arms import NAMES
from jobs.evaluation.cases import Case, draw_cases, manifest_cases
from jobs.evaluation.comparison import PARTS, SDEDIT, evaluate
from jobs.evaluation.mixtures import evaluate_mixtures
from jobs.evaluation.sweeps import COUNT, SWEEPS, sweep
from jobs.evaluation.tables import as_markdown
from manifests.check import ManifestError
from muse.emotions import MIKELS
from muse.method import Method
from muse.mini import WEIGHTS
from pipeline.errors import UserError
from pipeline.settings import load_config

PROMPTS = ("plain", "prompted", "oracle", "muse")
ABLATIONS = ("muse-no-when", "muse-no-which")
RIVALS = ("rejection", "latent")
TASKS = ("generation", "editing", "mixtures")


@dataclass(frozen=True)
class Suite:
    """How much is evaluated.

    Attributes:
        counts: cases of each task.
        arms: their names, by task.
        mixtures: two-emotion cases.
        curves: cases with a similarity curve.
    """

    counts: Mapping[str, int]
    arms: Mapping[str, tuple[str, ...]]
    mixtures: int
    curves: int


SUITES = {
    # Under 8 minutes on 2 cores, so edits go without the ablations.
    "quick": Suite(
        {"generation": 40, "editing": 24},
        {"generation": (*PROMPTS, *ABLATIONS, *RIVALS), "editing": (*PROMPTS, *SDEDIT)},
        mixtures=16,
        curves=8,
    ),
    "full": Suite(
        {"generation": 256, "editing": 128},
        {
            "generation": (*PROMPTS, *ABLATIONS, *RIVALS),
            "editing": (*PROMPTS, *ABLATIONS, *RIVALS, *SDEDIT),
        },
        mixtures=64,
        curves=16,
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
            return {task: cases for task, cases in found.items() if cases and task in self.tasks}
        drawn = {}
        for task, of_suite in self.suite.counts.items():
            if task in self.tasks:
                count = self.count or (COUNT if self.sweeps else of_suite)
                editing = task == "editing"
                # Edits have contents of their own.
                drawn[task] = draw_cases(count, self.seed + editing, editing)
        return drawn

    def arms_of(self, task: str) -> Sequence[str]:
        if self.arms is None:
            return self.suite.arms[task]
        return [arm for arm in self.arms if task == "editing" or arm not in SDEDIT]

    @property
    def mixtures(self) -> int:
        """The two-emotion cases; 0 where the options name something else."""
        whole = self.arms is None and self.manifest is None and not self.sweeps
        if not whole or "mixtures" not in self.tasks:
            return 0
        return min(self.count or self.suite.mixtures, self.suite.mixtures)


def run(selection: Selection, weights: Path, method: Method) -> dict[str, Any]:
    """The figures of the report.

    Raises:
        UserError: `rejection` without the arms that it needs.
        ManifestError: the manifest cannot be read.
    """
    report: dict[str, Any] = {"curves": [], "draws": {}, "mixtures": {}, "sweep": {}}
    report |= {part: {} for part in PARTS}
    cases = selection.cases()
    for name in selection.sweeps:
        report["sweep"] |= sweep(weights, SWEEPS[name](method), cases)
    if not selection.sweeps:
        whole = selection.arms is None and "generation" in cases
        curves = selection.suite.curves if whole else 0
        arms = {task: selection.arms_of(task) for task in cases}
        report |= evaluate(weights, method, cases, arms, curves)
    if selection.mixtures:
        mixtures = evaluate_mixtures(weights, method, selection.mixtures, selection.seed)
        report["mixtures"] = mixtures
    return report


def write(report: Mapping[str, Any], file: Path) -> None:
    """The report, its tables and its plots."""
    from jobs.evaluation.plots import draw_plots

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
    suite: Annotated[str, typer.Option(help="quick (minutes) or full.")] = "quick",
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
    seed: int = 7,
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
