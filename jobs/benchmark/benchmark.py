"""Cost and speed, compared with what else a user could do: `python -m jobs.benchmark`.

The arms are (a) the emotion in the prompt, (b) rejection sampling of (a), (c) the reference loop
(`muse.reference`), one image at a time from the words of its emotion, (d) the engine with its exact
savings on the same, and (e) the engine as a run has it by default, with fitted tokens, and with the
tiny decoder for the guide where there is one. `plans` has (b), rejection sampling of a direction in
noise space, and (e). `arms` has (a) `words` and (e) `engine`, and on some of their requests (c)
`reference`, (d) `exact_same` and (e) `engine_same`, with the classifiers' figures of their images
(`jobs.benchmark.speeds`). An image is accepted at the judge's confidence that is the default of a
run; in the plans, its content has to be found, too.

All figures are ratios within one run on one machine. `ratios`, null where not measured:

- `acceptance_cost_vs_rejection`, `..._hard`: cost of rejection over that of the method until 90 %
  of the requests of a balanced plan have an accepted image, in network forwards
  (`jobs.benchmark.acceptance_cost`). If the method does not reach 90 %, up to the share that it
  reached; if rejection does not, its total cost, so that the ratio is a lower bound.
- `acceptance_cost_vs_direction`, `..._hard`: the same over rejection sampling of a direction.
- `acceptance_cost_vs_rejection_worst`: that over rejection of the emotion with the lowest ratio;
  null if the method has no accepted image of some emotion. `emotions.ARM.EMOTION` has the cost of
  each.
- `seconds_vs_reference`: seconds for each accepted image of the reference loop over the engine's,
  on the same requests; `..._exact`: over those of (d).
- `batch_vs_single`: the engine with one slot over the engine with all, in seconds; `slots` has the
  numbers between.
- `refill_vs_lockstep`: the plain batched loop (`jobs.benchmark.lockstep`) over the engine with
  slots that are refilled, at as many rows; `refill_vs_batches`: the engine batch after batch over
  the same.
- `pipeline_overhead`: `muse-batch run` with one worker in steady state over a plain loop of the
  engine on the same requests in the same batches, both with the scoring of the images
  (`jobs.benchmark.command_timing`); `..._unscored`: over the engine's share of that loop, so that
  scoring, encoding and writing count as overhead; `..._of_parts`: what waiting, verdicts, encoding
  and writing take, by the clock of each, which does not vary with the machine's speed.
- `help_seconds`, `status_seconds`, `first_image_seconds`: of the command; `command.startup` has the
  parts of the last.
- `fraction_of_matmul`: operations a second of the engine over those of a large matrix product, as
  counted by `jobs.benchmark.cost`; `gpu_fraction_of_matmul`: the same on a GPU.

Also `arms.ARM.accepted_images_per_hour`; `peak_memory_mb`, the maximum of this process with all
models; and `seconds` of the whole benchmark.

`--model sd15`, `sdxl`, `sd35` or `flux` measures random weights at full size on a CUDA device
instead (`jobs.benchmark.full_size.utilisation`).
"""

from __future__ import annotations

import dataclasses
import resource
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import torch
import typer

from jobs.benchmark import command_timing, report
from jobs.benchmark.acceptance_cost import Bench, by_emotion, draw_until_accepted, gain, summary
from jobs.benchmark.cost import count
from jobs.benchmark.full_size import utilisation, utilisation_report
from jobs.benchmark.full_size.random_models import SIZES
from jobs.benchmark.speeds import by_slots, matmul_rate, paces, timed_arms
from jobs.evaluation.arms.models import load
from jobs.evaluation.cases import draw_cases
from jobs.evaluation.measures.metrics import Examiners
from jobs.options import Threads, check_report_file, method_settings, write_report
from muse.diffusion.files.hub import NO_TINY_VAE
from muse.mini import WEIGHTS
from pipeline.config_models import EMBEDDED
from pipeline.errors import UserError
from pipeline.settings import load_config


@dataclasses.dataclass(frozen=True)
class Suite:
    """How much is measured.

    Attributes:
        requests: of the plan.
        rejection, candidates: most candidates of a request by rejection and by the method.
        timed: images of each timing.
        slow: images of the reference loop.
    """

    requests: int
    rejection: int
    candidates: int
    timed: int
    slow: int


SUITES = {"quick": Suite(48, 64, 4, 32, 8), "full": Suite(128, 64, 8, 64, 16)}
RATIOS = (
    "acceptance_cost_vs_rejection",
    "acceptance_cost_vs_rejection_hard",
    "acceptance_cost_vs_rejection_worst",
    "acceptance_cost_vs_direction",
    "acceptance_cost_vs_direction_hard",
    "seconds_vs_reference",
    "seconds_vs_reference_exact",
    "batch_vs_single",
    "refill_vs_lockstep",
    "refill_vs_batches",
    "pipeline_overhead",
    "pipeline_overhead_unscored",
    "pipeline_overhead_of_parts",
    "help_seconds",
    "status_seconds",
    "first_image_seconds",
    "fraction_of_matmul",
    "gpu_fraction_of_matmul",
)


def measure_plans(
    bench: Bench, suite: Suite, seed: int
) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """Acceptance costs by arm, over all requests and the hard ones; and by arm and emotion."""
    cases = draw_cases(suite.requests, seed, editing=False)
    candidates = {
        "rejection": draw_until_accepted(bench, "words", cases, suite.rejection),
        "direction": draw_until_accepted(bench, "direction", cases, suite.rejection),
        "muse": draw_until_accepted(bench, "muse", cases, suite.candidates),
    }
    hard = {i for i, case in enumerate(cases) if case.hard}
    plans = {arm: summary(found, len(cases)) for arm, found in candidates.items()}
    for arm, found in candidates.items():
        hard_ones = [candidate for candidate in found if candidate.case in hard]
        plans[f"{arm}_hard"] = summary(hard_ones, len(hard))
    return plans, {arm: by_emotion(found, cases) for arm, found in candidates.items()}


def acceptance_ratios(
    plans: Mapping[str, Any], emotions: Mapping[str, Mapping[str, Any]]
) -> dict[str, float | None]:
    """The ratios of acceptance costs, by the results of `measure_plans`."""
    gains = [gain(emotions["rejection"][name], muse) for name, muse in emotions["muse"].items()]
    known = [value for value in gains if value is not None]
    ratios: dict[str, float | None] = {}
    for rival in ("rejection", "direction"):
        for part in ("", "_hard"):
            ratio = gain(plans[f"{rival}{part}"], plans[f"muse{part}"])
            ratios[f"acceptance_cost_vs_{rival}{part}"] = ratio
    return ratios | {
        "acceptance_cost_vs_rejection_worst": min(known) if len(known) == len(gains) else None,
    }


def reference_ratios(arms: Mapping[str, Mapping[str, Any]]) -> dict[str, float | None]:
    """Seconds an accepted image of the reference loop over those of the engine, by `timed_arms`."""
    reference = arms["reference"]["seconds_per_accepted"]
    ratios = {}
    for name, arm in (("", "engine_same"), ("_exact", "exact_same")):
        seconds = arms[arm]["seconds_per_accepted"]
        ratios[f"seconds_vs_reference{name}"] = (
            reference / seconds if reference and seconds else None
        )
    return ratios


def measure(suite: str, seed: int, settings: list[str]) -> dict[str, Any]:
    """The report of the embedded model."""
    began = time.monotonic()
    method = load_config(None, settings, {}).method
    size, models, examiners = SUITES[suite], load(WEIGHTS), Examiners(WEIGHTS)
    costs = count(models)
    plans, emotions = measure_plans(Bench(models, examiners, costs, method), size, seed)
    cases = draw_cases(size.timed, seed + 1, editing=False)
    arms = timed_arms(models, load(WEIGHTS, NO_TINY_VAE), examiners, method, cases, size.slow)
    rate = matmul_rate(models.backbone.device, torch.float32)
    slots, pace = by_slots(models, costs, method, cases, rate), paces(models, method, cases)
    command = command_timing.measure(settings, images=24, batch=4)
    ratios: dict[str, Any] = {
        **acceptance_ratios(plans, emotions),
        **reference_ratios(arms),
        "batch_vs_single": slots[0]["seconds_per_image"] / slots[-1]["seconds_per_image"],
        "refill_vs_lockstep": pace["lockstep"] / pace["refilled"],
        "refill_vs_batches": pace["batches"] / pace["refilled"],
        "pipeline_overhead": command["overhead"],
        "pipeline_overhead_unscored": command["overhead_over_engine"],
        "pipeline_overhead_of_parts": command["overhead_of_parts"],
        "fraction_of_matmul": slots[-1]["fraction_of_matmul"],
    }
    for name in ("help_seconds", "status_seconds", "first_image_seconds"):
        ratios[name] = command[name]
    return {
        "suite": suite,
        "seed": seed,
        "ratios": {name: ratios.get(name) for name in RATIOS},
        "slots": slots,
        "seconds_per_image": pace,
        "arms": arms,
        "command": command,
        "plans": plans,
        "emotions": emotions,
        "gflop": dataclasses.asdict(costs),
        "cost_of_a_guide_gradient": costs.guide_gradient / costs.forward,
        "matmul_tflops": rate,
        "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "seconds": time.monotonic() - began,
    }


def measure_full_size(model: str) -> dict[str, Any]:
    """The report of random weights on this machine's GPU; that of `tiny` also on a CPU.

    Raises:
        typer.BadParameter: an unknown model, or no GPU for it.
    """
    if model not in SIZES:
        raise typer.BadParameter(
            f"{model!r} is unknown; choose embedded, {', '.join(SIZES)}", param_hint="--model"
        )
    if torch.cuda.is_available():
        found = utilisation.measure(model, torch.device("cuda"), torch.bfloat16)
    elif model == "tiny":
        found = utilisation.measure(model, torch.device("cpu"), torch.float32)
    else:
        raise typer.BadParameter(
            f"{model} needs a CUDA device, and this machine has none", param_hint="--model"
        )
    return {**found, "ratios": {name: found["ratios"].get(name) for name in RATIOS}}


def main(
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Report; a table and a plot go beside it.")
    ] = None,
    suite: Annotated[str, typer.Option(help="quick (minutes) or full.")] = "quick",
    model: Annotated[
        str, typer.Option(help="embedded; or random weights on a GPU: sd15, sdxl, sd35, flux.")
    ] = EMBEDDED,
    seed: int = 2001,
    threads: Threads = 2,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="A parameter of the method, as in tokens=2.")
    ] = None,
) -> None:
    """Measure cost and speed of the method, the engine and the command."""
    torch.set_num_threads(threads)
    if suite not in SUITES:
        raise typer.BadParameter(
            f"{suite!r} is unknown; choose {', '.join(SUITES)}", param_hint="--suite"
        )
    settings = method_settings(set_)
    check_report_file(json_file)
    if settings and model != EMBEDDED:
        raise typer.BadParameter("is for the embedded model; leave it out", param_hint="--set")
    if model == EMBEDDED:
        try:
            figures = measure(suite, seed, settings)
        except UserError as error:
            raise typer.BadParameter(str(error)) from None
        table, plot = report.as_markdown(figures), report.draw
    else:
        figures = measure_full_size(model)
        table, plot = utilisation_report.as_markdown(figures), utilisation_report.draw
    print(table)
    if json_file is not None:
        write_report(json_file, figures, table)
        plot(figures, json_file.with_suffix(".png"))


if __name__ == "__main__":
    typer.run(main)
