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
  whole tasks and without an interval, since only batches are timed. Those of `best-of-n`, and
  `minutes`, leave out the draws that an earlier setting or session has made.
- `differences.ARM.TASK.METRIC`: `muse` minus the arm, paired by request.
- `splits.METRIC.ATTRIBUTE.ARM.TASK.VALUE`: `success_examiner` and `right` by `emotion` and
  `polarity` of the target, and by `inherent`: where the content by itself evokes the target
  (`same`), another emotion of its polarity (`polarity`) or the other polarity (`opposite`).
- `chosen.TASK.ARM`: the setting that `arms` has; that of `muse-from-words` also where only its
  ablations are among them. `trials.TASK.ARM.SETTING`: `right` and `cost` on the tuning seed, by
  which it was chosen. `left_out.TASK`: the ablations of a part that this setting does not have.
- `settings.ARM.SETTING.TASK.METRIC`: every setting, on the first of the requests.
- `equal_cost.TASK`: the best rival, `cues` among them, at up to 1.2 x the cost of `muse`
  (`jobs.evaluation.measures.equal_cost`).
- `filters.TASK.LEVEL`: how well a level of the content judge tells images that have their content
  from others, over all arms (`jobs.evaluation.measures.content_filter`).
- `confusion.ARM.TASK`: counts [target][the examiner's strongest], in the order of `labels`.
- `sdedit_at_equal_success`: the figures of `sdedit` at the strength with the success of `muse`,
  interpolated; null where no strength has it.
- `mixtures.RUN.FIGURE`: two-emotion targets, by `muse-from-words` in its chosen setting. RUN is
  `mixture`, `single` (the mean of runs for either emotion), `no-which` (cross-entropy alone),
  `gain` and `which`, the first minus either, and `rendered`, scenes with half of the factors of
  each. FIGURE is `ROLE_mass`, a classifier's probability of the pair, `ROLE_top3`, 1 where both are
  in its top three, and `content`.
- `curves`: similarity at every step without guidance, and the step at which `muse-from-words`
  started it.
- `sweep.SETTING.TASK.METRIC`: with `--sweep`; see `jobs.evaluation.sweeps`.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import torch
import typer

from jobs.evaluation.arms.registry import ABLATIONS, NAMES, families
from jobs.evaluation.comparison import PARTS, evaluate
from jobs.evaluation.kept import NOTHING, Kept
from jobs.evaluation.measures.metrics import ROLES
from jobs.evaluation.report.tables import as_markdown
from jobs.evaluation.suites import REPORTING_SEED, SUITES, TASKS, TUNING_SEED, Selection
from jobs.evaluation.sweeps import COUNT, SWEEPS, sweep
from jobs.evaluation.tuning import Bench
from jobs.options import Threads, check_report_file, method_settings, write_report
from manifests.check import ManifestError
from manifests.read import content_hash
from muse.diffusion.devices import AUTO, DTYPES
from muse.emotions import MIKELS
from muse.method import Method
from muse.mini import WEIGHTS
from pipeline.errors import UserError
from pipeline.planning.software import versions
from pipeline.settings import load_config
from pipeline.storage.files import sha256_folder

MODELS = ("diffusion", "clip", "content-clip", "place", "subject", *ROLES)
"""The folders of `--weights`."""


def run(
    selection: Selection,
    weights: Path,
    method: Method,
    kept: Kept = NOTHING,
    dtype: str = AUTO,
) -> dict[str, Any]:
    """The figures of the report.

    Args:
        kept: what earlier sessions have finished.
        dtype: of the diffusion model, as in `load_backbone`.

    Raises:
        UserError: the tuning seed is also that of the figures, or there is nothing to make.
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
    selection.refuse_nothing(cases)
    for name in selection.sweeps:
        report["sweep"] |= sweep(weights, SWEEPS[name](method), cases, kept, dtype)
    if not selection.sweeps:
        tuning = selection.tuning()
        whole = selection.arms is None and "generation" in cases
        curves = selection.suite.curves if whole else 0
        arms = {task: selection.arms_of(task) for task in cases}
        limits = selection.suite.compared, curves, selection.mixtures
        bench = Bench.of(weights, method, kept, dtype)
        report |= evaluate(bench, cases, arms, tuning, *limits)
    return report


def configuration(
    suite: str, selection: Selection, weights: Path, method: Method, dtype: str
) -> dict[str, Any]:
    """All that figures depend on but arms and tasks, of which a later session may ask for others.

    Args:
        suite: its name.

    Raises:
        ManifestError: the manifest cannot be read.
    """
    arms: dict[str, Any] = {}
    for name, family in families().items():
        arms[name] = {}
        for key, arm in family.settings.items():
            arms[name][key] = {"images": arm.images, **arm.changes}
    manifest = None if selection.manifest is None else content_hash(selection.manifest)
    models = sorted(folder for folder in weights.iterdir() if folder.is_dir())
    software = {name: value for name, value in versions().items() if name != "python"}
    return {
        "suite": suite,
        "seed": selection.seed,
        "count": selection.count,
        "manifest": manifest,
        "method": method.model_dump(),
        "dtype": dtype,
        "models": {folder.name: sha256_folder(folder) for folder in models},
        "arms": arms,
        "ablations": ABLATIONS,
        "versions": software,
    }


def check_models(weights: Path) -> None:
    """Look for the folders of models.

    Raises:
        typer.BadParameter: with those that are not there.
    """
    missing = [name for name in MODELS if not (weights / name).is_dir()]
    if missing:
        raise typer.BadParameter(
            f"{weights} has no folder {', '.join(missing)}; give one laid out as {WEIGHTS}",
            param_hint="--weights",
        )


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
        Path | None, typer.Option("--json", help="Report; FILE.md and FILE-*.png go beside it.")
    ] = None,
    suite: Annotated[str, typer.Option(help="quick (minutes) or full (hours).")] = "quick",
    arms: Annotated[
        str | None, typer.Option(help=f"Only these, comma-separated: {', '.join(NAMES)}.")
    ] = None,
    tasks: Annotated[str, typer.Option(help="Of generation, editing, mixtures.")] = ",".join(TASKS),
    manifest: Annotated[
        str | None, typer.Option(help="Use its requests instead of drawn ones.")
    ] = None,
    count: Annotated[
        int | None, typer.Option(min=1, help="Cases of each task, if not those of the suite.")
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
    work: Annotated[
        Path | None,
        typer.Option(help="Keep what is finished there; the same command goes on with it."),
    ] = None,
    weights: Annotated[
        Path, typer.Option(help="Folder of models.", show_default="the embedded ones")
    ] = WEIGHTS,
    threads: Threads = 2,
    dtype: Annotated[
        str, typer.Option(help=f"Of the diffusion model's weights: {', '.join((AUTO, *DTYPES))}.")
    ] = AUTO,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="A parameter of the method, as in tokens=2.")
    ] = None,
) -> None:
    """Compare arms on the embedded model by an independent classifier."""
    torch.set_num_threads(threads)
    began = time.monotonic()
    (suite,) = names_in("--suite", suite, list(SUITES))
    (dtype,) = names_in("--dtype", dtype, [AUTO, *DTYPES])
    settings = method_settings(set_)
    check_report_file(json_file)
    check_models(weights)
    if manifest is not None and seed is not None:
        raise typer.BadParameter("the rows of a manifest have their own", param_hint="--seed")
    if sweep_ is not None and arms is not None:
        raise typer.BadParameter(
            "compares settings, not --arms; leave one out", param_hint="--sweep"
        )
    kept = NOTHING
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
        method = load_config(None, settings, {}).method
        if work is not None:
            kept = Kept.of(work, configuration(suite, selection, weights, method, dtype))
        figures = run(selection, weights, method, kept, dtype)
    except (UserError, ManifestError) as error:
        raise typer.BadParameter(str(error)) from None
    except KeyboardInterrupt:
        remedy = "give --work to keep it" if work is None else f"{work} keeps what is finished"
        print(f"Interrupted; {remedy}, and the same command goes on.", file=sys.stderr)
        raise typer.Exit(130) from None
    minutes = round((time.monotonic() - began + kept.earlier_seconds) / 60, 1)
    about = {
        "seed": seed,
        "suite": suite,
        "method": method.model_dump(),
        "dtype": dtype,
        "labels": MIKELS.labels,
    }
    report = {**about, **figures, "minutes": minutes}
    table = as_markdown(report)
    print(table)
    if json_file is not None:
        from jobs.evaluation.report.plots import draw_plots

        write_report(json_file, report, table)
        draw_plots(report, json_file.with_suffix(""))


if __name__ == "__main__":
    typer.run(main)
