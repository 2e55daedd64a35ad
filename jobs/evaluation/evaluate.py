"""Arms against each other under the examiner: `python -m jobs.evaluation --json build/evaluate.json`.

Every arm (`jobs.evaluation.arms`) makes the same requests from the same seeds, so the starting noise is the same. Beside FILE.json
come FILE.md, tables, and FILE-*.png, plots. The report's keys; a figure is {mean, low, high, n}, its interval 95 %:

- `arms.ARM.TASK.METRIC`: tasks `generation`, `editing`, and of each the requests whose content by itself evokes the
  other polarity, `hard` and `hard_edits`. Metrics in `jobs.evaluation.metrics`; also `sem_d`; `forwards`, all that an image took
  in operations of a U-Net forward (`jobs.benchmark.cost`: backward passes, guide, decoder, CLIP and text encoders as dear as they
  are, refused draws included); and `seconds` an image, {mean, n}, of the whole tasks and without an interval, for
  batches are timed as a whole. For edits `inversion` is another name of `prompted`.
- `differences.ARM.TASK.METRIC`: `muse` minus the arm, request by request.
- `emotions.ARM.TASK.EMOTION`, `inherent.ARM.TASK.RELATION`: success by the examiner for each target, and where the
  content evokes the target itself (`same`), another of its polarity (`polarity`) or the other polarity (`opposite`).
- `confusion.ARM.TASK`: counts [target][the examiner's strongest], in the order of `labels`.
- `draws.TASK`: how many images a request `rejection` drew: muse's mean `forwards` over one draw's, rounded up.
- `sdedit_at_equal_success`: the figures of `sdedit` at the strength at which it succeeds as often as `muse`; null where
  it does at none.
- `mixtures.RUN.FIGURE`: two-emotion targets, RUN `mixture`, `single` (the mean of a run toward each member), `no-which`
  (by cross-entropy alone), `gain` and `which`, the first minus either, and `rendered`, scenes drawn with half of the
  factors of each; FIGURE `ROLE_mass`, a classifier's probability of the pair, `ROLE_top3`, 1 where both are in its top
  three, and `content`.
- `curves`: similarity at every step of the picture that WHEN looks at, and the step at which muse started.
- `sweep`: of `--sweep`, `sweep.SETTING.TASK.METRIC`, the hard requests apart as well; see `jobs.evaluation.sweeps`.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from jobs.benchmark.cost import count as count_costs
from jobs.evaluation.arms import NAMES, STRENGTHS, by_engine, in_batches, load, plain, run_arm
from jobs.evaluation.cases import Case, draw_cases, draw_mixtures, manifest_cases, mixed_scenes
from jobs.evaluation.metrics import (
    ROLES,
    Examiners,
    Made,
    Values,
    at_equal_success,
    by_task,
    confusion,
    interval,
    measure,
    pair_figures,
    split_figures,
    subsets,
)
from jobs.evaluation.sweeps import COUNT, SWEEPS, sweep
from jobs.evaluation.tables import EDITS, as_markdown, as_row, header
from manifests.check import ManifestError
from muse.emotions import MIKELS
from muse.method import Method
from muse.mini import WEIGHTS
from pipeline.errors import UserError
from pipeline.settings import load_config

SDEDIT = tuple(f"sdedit-{strength}" for strength in STRENGTHS)
WORDS = ("plain", "prompted", "oracle", "muse")
ABLATIONS = ("muse-no-when", "muse-no-which")
RIVALS = ("rejection", "latent")
TASKS = ("generation", "editing", "mixtures")


@dataclass(frozen=True)
class Suite:
    """How many cases of each task, which arms make them, and how many requests have their curve drawn."""

    counts: Mapping[str, int]
    arms: Mapping[str, tuple[str, ...]]
    mixtures: int
    curves: int


SUITES = {
    # Under 8 minutes on 2 cores: edits go without the ablations, which they share with generation.
    "quick": Suite(
        {"generation": 40, "editing": 24},
        {"generation": (*WORDS, *ABLATIONS, *RIVALS), "editing": (*WORDS, *SDEDIT)},
        mixtures=16,
        curves=8,
    ),
    "full": Suite(
        {"generation": 256, "editing": 128},
        {
            "generation": (*WORDS, *ABLATIONS, *RIVALS),
            "editing": (*WORDS, *ABLATIONS, *RIVALS, *SDEDIT),
        },
        mixtures=64,
        curves=16,
    ),
}


def draws_for(muse: Values, once: Values) -> int:
    """How many draws at the cost of `once` cost what `muse` does, rounded up in favour of drawing."""
    return max(1, math.ceil(muse["forwards"].mean() / once["forwards"].mean() - 1e-9))


def evaluate(
    weights: Path,
    method: Method,
    tasks: Mapping[str, Sequence[Case]],
    arms: Mapping[str, Sequence[str]],
    curves: int = 0,
) -> dict[str, Any]:
    """The part of the report that compares arms: those named for each task, and the curves of so many requests.

    Raises:
        UserError: `rejection` without `muse` and the arm that it draws from, whose costs it must match.
    """
    examiners, costs = Examiners(weights), count_costs(load(weights))
    made: dict[str, dict[str, Made]] = {}
    draws: dict[str, int] = {}
    print(header(), flush=True)
    for task, cases in tasks.items():
        for arm in sorted(arms[task], key=lambda arm: arm == "rejection"):
            if arm == "rejection":
                base = "prompted" if task == "generation" else SDEDIT[-1]
                missing = [name for name in ("muse", base) if task not in made.get(name, {})]
                if missing:
                    raise UserError(
                        f"rejection costs what muse does; for {task} it needs {','.join(missing)} too"
                    )
                draws[task] = draws_for(made["muse"][task].values, made[base][task].values)
            pictures = draws[task] if arm == "rejection" else 1
            ran = run_arm(weights, method, arm, cases, pictures)
            done = measure(
                examiners, cases, ran, costs.each(ran[1], method, task == "editing", pictures)
            )
            made.setdefault(arm, {})[task] = done
            for name, figures in by_task(done).items():
                print(as_row(arm, name, figures), flush=True)
    if "editing" in made.get("prompted", {}):
        made["inversion"] = {"editing": made["prompted"]["editing"]}
    drawn = similarity_curves(weights, method, made["muse"]["generation"], curves) if curves else []
    return {"draws": draws, "curves": drawn, **report_of(made)}


def report_of(made: Mapping[str, Mapping[str, Made]]) -> dict[str, Any]:
    """Every figure of the arms and between them."""
    found: dict[str, dict[str, Any]] = {
        part: {arm: {} for arm in made}
        for part in ("arms", "differences", "emotions", "inherent", "confusion")
    }
    for arm, tasks in made.items():
        for task, done in tasks.items():
            found["arms"][arm] |= by_task(done)
            found["emotions"][arm][task] = split_figures(done, "emotion")
            found["inherent"][arm][task] = split_figures(done, "inherent")
            found["confusion"][arm][task] = confusion(done.probs, done.cases)
            if arm == "muse" or task not in made.get("muse", {}):
                continue
            others = subsets(done)
            for name, values in subsets(made["muse"][task]).items():
                found["differences"][arm][name] = {
                    key: interval(row - others[name][key]) for key, row in values.items()
                }
    found["differences"] = {arm: told for arm, told in found["differences"].items() if told}
    edits = [
        found["arms"][arm]["editing"] for arm in SDEDIT if "editing" in found["arms"].get(arm, {})
    ]
    if edits and "editing" in found["arms"].get("muse", {}):
        shown = ("success_examiner", "place", "subject", "content", "clip_t", *EDITS)
        means = [{name: told[name]["mean"] for name in shown} for told in edits]
        success = found["arms"]["muse"]["editing"]["success_examiner"]["mean"]
        return {**found, "sdedit_at_equal_success": at_equal_success(means, success)}
    return found


def evaluate_mixtures(weights: Path, method: Method, count: int, seed: int) -> dict[str, Any]:
    """Two-emotion targets in equal parts, against runs toward each member and by cross-entropy, from the same noise."""
    cases, examiners = draw_mixtures(count, seed), Examiners(weights)
    runs = {
        "mixture": cases,
        "first": [replace(case, second="") for case in cases],
        "second": [replace(case, emotion=case.second, second="") for case in cases],
    }
    pictures = {run: run_arm(weights, method, "muse", wanted)[0] for run, wanted in runs.items()}
    pictures["no-which"] = run_arm(weights, method, "muse-no-which", cases)[0]
    pictures["rendered"] = mixed_scenes(cases, seed)
    seen: dict[str, dict[str, np.ndarray]] = {}
    for run, pixels in pictures.items():
        figures = {role: pair_figures(examiners.probs(role, pixels), cases) for role in ROLES}
        seen[run] = {
            f"{role}_{name}": values
            for role, told in figures.items()
            for name, values in told.items()
        }
        seen[run]["content"] = examiners.measure(pixels, cases)["content"]
    found: dict[str, dict[str, Any]] = {}
    for name, both in seen["mixture"].items():
        alone, bare = (seen["first"][name] + seen["second"][name]) / 2, seen["no-which"][name]
        told = {
            "mixture": both,
            "single": alone,
            "no-which": bare,
            "gain": both - alone,
            "which": both - bare,
        }
        for run, values in (told | {"rendered": seen["rendered"][name]}).items():
            found.setdefault(run, {})[name] = interval(values)
    return found


def similarity_curves(
    weights: Path, method: Method, made: Made, count: int
) -> list[dict[str, Any]]:
    """Whole curves of the first cases, from a run that watches every step and never starts, with muse's starts."""
    cases, looks = (
        made.cases[:count],
        "unconditional_threshold" if method.timing == "unconditional_threshold" else "threshold",
    )
    never = by_engine(plain, timing=looks, timing_level=1.0, timing_latest=1.0)
    _, watched, _ = in_batches(never, load(weights), method, cases)
    return [
        {
            "prompt": case.prompt,
            "emotion": case.emotion,
            "similarity": [round(value, 4) for value in sample.trace.similarity],
            "start": guided.trace.start_step,
        }
        for case, sample, guided in zip(cases, watched, made.samples[:count], strict=True)
    ]


def write(report: Mapping[str, Any], file: Path) -> None:
    """The report, its tables and its plots."""
    from jobs.evaluation.plots import draw_plots

    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(report, indent=2) + "\n")
    file.with_suffix(".md").write_text(as_markdown(report))
    draw_plots(report, file.with_suffix(""))


def chosen(name: str, given: str, known: Sequence[str]) -> list[str]:
    """The comma-separated names, each one of `known`."""
    names = given.split(",")
    for one in names:
        if one not in known:
            raise typer.BadParameter(
                f"there is no {one!r}; choose from {', '.join(known)}", param_hint=name
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
        str | None, typer.Option(help="Its requests, instead of drawn ones.")
    ] = None,
    count: Annotated[
        int | None, typer.Option(help="Cases of each task, instead of the suite's.")
    ] = None,
    sweep_: Annotated[
        str | None,
        typer.Option(
            "--sweep", help=f"{', '.join(SWEEPS)}: its settings instead of arms, on {COUNT} cases."
        ),
    ] = None,
    seed: int = 7,
    weights: Path = WEIGHTS,
    threads: int = 2,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="A parameter of the method, as in tokens=2.")
    ] = None,
) -> None:
    import torch

    torch.set_num_threads(threads)
    began = time.monotonic()
    (suite,) = chosen("--suite", suite, list(SUITES))
    plan, names = SUITES[suite], chosen("--tasks", tasks, TASKS)
    given = chosen("--arms", arms, NAMES) if arms is not None else None
    sweeps = (
        [SWEEPS[name] for name in chosen("--sweep", sweep_, list(SWEEPS))]
        if sweep_ is not None
        else []
    )
    try:
        method = load_config(None, [f"method.{assignment}" for assignment in set_ or []], {}).method
        if manifest is None:
            counts = {
                task: count or (COUNT if sweeps else few)
                for task, few in plan.counts.items()
                if task in names
            }
            cases = {
                t: draw_cases(few, seed + (t == "editing"), t == "editing")
                for t, few in counts.items()
            }
        else:
            cases = {
                task: found
                for task, found in manifest_cases(manifest).items()
                if found and task in names
            }
        wanted = {
            task: [arm for arm in given if task == "editing" or arm not in SDEDIT]
            if given
            else plan.arms[task]
            for task in cases
        }
        parts = ("arms", "differences", "emotions", "inherent", "confusion", "mixtures", "sweep")
        report: dict[str, Any] = {
            "seed": seed,
            "suite": suite,
            "method": method.model_dump(),
            "labels": MIKELS.labels,
        }
        report |= {"curves": [], "draws": {}} | {part: {} for part in parts}
        for settings in sweeps:
            report["sweep"] |= sweep(weights, settings(method), cases)
        if not sweeps:
            curves = plan.curves if given is None and "generation" in cases else 0
            report |= evaluate(weights, method, cases, wanted, curves)
        if not sweeps and given is None and manifest is None and "mixtures" in names:
            report["mixtures"] = evaluate_mixtures(
                weights, method, min(count or plan.mixtures, plan.mixtures), seed
            )
    except (UserError, ManifestError) as error:
        raise typer.BadParameter(str(error)) from None
    report["minutes"] = round((time.monotonic() - began) / 60, 1)
    if json_file is not None:
        write(report, json_file)
    print(as_markdown(report))


if __name__ == "__main__":
    typer.run(main)
