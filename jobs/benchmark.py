"""How fast, against what a user would do instead: `python -m jobs.benchmark --json build/benchmark.json`.

All figures are ratios within one run on one machine. `ratios`, null where not measured:

- `satisfied_cost_vs_rejection`, `..._hard`: cost of rejection over that of the method until 90 % of a balanced
  plan's requests hold an image that the judge accepts, in network forwards (jobs/satisfy.py). Where rejection
  did not get there within its candidates, what it had spent: a lower bound.
- `satisfied_cost_vs_rejection_least`: the same of the emotion on which the method gains least, by all that was spent
  on its requests until the whole plan was satisfied. `emotions.ARM.EMOTION` has those figures.
- `seconds_vs_reference`: seconds for each image of the reference loop (muse/reference.py) over the engine's.
- `batch_vs_single`: the engine with one slot over the engine with all, in seconds.
- `refill_vs_lockstep`: the plain batched loop of jobs/lockstep.py over the engine with slots that are refilled, at as
  many rows; `refill_vs_batches`: the engine batch after batch over the same.
- `pipeline_overhead`: of `muse-batch run` with one worker in steady state over the engine in a plain loop on the same
  requests in the same batches, both with the scoring of what came out (jobs/command.py); `..._unscored`: over the
  engine's share of that loop alone, so that scoring, encoding and writing count as overhead, too.
- `help_seconds`, `first_image_seconds`: of the command; `command.startup` splits the latter.
- `gpu_fraction_of_matmul`: operations a second of the engine over those of a large matrix product; on a GPU.

`--model sd15` or `sdxl` measures random weights at full size on a CUDA device instead (jobs/utilisation.py).
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Annotated, Any

import matplotlib
import torch
import typer

from jobs import command, utilisation
from jobs.arms import Models, load
from jobs.cases import draw_cases
from jobs.cost import Costs, count
from jobs.metrics import Examiners
from jobs.random_models import SIZES
from jobs.satisfy import GOAL, by_emotion, satisfy, summary
from jobs.speeds import matmul_rate, speeds
from jobs.utilisation import bars
from muse.method import Method
from muse.mini import WEIGHTS
from pipeline.config import EMBEDDED
from pipeline.settings import load_config

matplotlib.use("Agg")


@dataclasses.dataclass(frozen=True)
class Suite:
    """How much is measured: requests of the plan and most candidates each, and images of each timing."""

    requests: int
    rejection: int
    candidates: int
    timed: int
    slow: int


SUITES = {"quick": Suite(24, 16, 4, 16, 3), "full": Suite(96, 64, 8, 32, 8)}
RATIOS = (
    "satisfied_cost_vs_rejection",
    "satisfied_cost_vs_rejection_hard",
    "satisfied_cost_vs_rejection_least",
    "seconds_vs_reference",
    "batch_vs_single",
    "refill_vs_lockstep",
    "refill_vs_batches",
    "pipeline_overhead",
    "pipeline_overhead_unscored",
    "help_seconds",
    "first_image_seconds",
    "gpu_fraction_of_matmul",
)


def plans(
    models: Models, method: Method, costs: Costs, suite: Suite, seed: int
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The satisfied plan of both arms, over all requests and over the hard ones; and what each emotion took of it."""
    examiners = Examiners(WEIGHTS)
    cases = draw_cases(suite.requests, seed, editing=False)
    found = {
        "rejection": satisfy(models, examiners, costs, method, "prompted", cases, suite.rejection),
        "muse": satisfy(models, examiners, costs, method, "muse", cases, suite.candidates),
    }
    hard = {i for i, case in enumerate(cases) if case.hard}
    told = {arm: summary(drawn, len(cases)) for arm, drawn in found.items()}
    told |= {f"{arm}_hard": summary([d for d in drawn if d.case in hard], len(hard)) for arm, drawn in found.items()}
    return told, {arm: by_emotion(drawn, cases) for arm, drawn in found.items()}


def draw(report: dict[str, Any], file: Path) -> None:
    """Satisfied share against cost, what an inner iteration takes, and where the seconds of a run go."""
    import matplotlib.pyplot as plt

    figure, panels = plt.subplots(1, 3, figsize=(16, 4.2), layout="constrained")
    for name, told in report["plans"].items():
        cost, share = zip(*told["curve"], strict=True)
        panels[0].step(cost, share, where="post", label=name, linestyle=":" if "hard" in name else "-")
    panels[0].axhline(GOAL, color="grey", linewidth=0.6)
    panels[0].set(xlabel="cost a request, in network forwards", ylabel="requests satisfied", xscale="log")
    panels[0].legend(fontsize=8)
    bars(panels[1], report["gflop"], "GFLOP of one row")
    waiting = {"waiting between batches": max(0.0, report["command"]["steady"] - report["command"]["worker"])}
    bars(panels[2], report["command"]["parts"] | waiting, "seconds of a run in steady state")
    figure.savefig(file, dpi=110)
    plt.close(figure)


def as_markdown(report: dict[str, Any]) -> str:
    lines = ["| ratio | |", "|---|---|"]
    for name, value in report["ratios"].items():
        lines.append(f"| {name} | {'not measured' if value is None else f'{value:.2f}'} |")
    lines += ["", "| plan | requests | cost a request | satisfied | examiner agrees | candidates |", "|---" * 6 + "|"]
    for name, told in report["plans"].items():
        cost = f"{told['cost_per_request']:.0f}" + ("" if told["reached"] else " (90 % not reached)")
        shares = f"{told['satisfied']:.0%} | {told['examiner_agrees']:.0%}"
        lines.append(f"| {name} | {told['requests']} | {cost} | {shares} | {told['candidates']} |")
    lines += ["", "| emotion | rejection: cost a request, satisfied | muse |", "|---|---|---|"]
    for name, mine in report["emotions"]["muse"].items():
        both = (report["emotions"]["rejection"][name], mine)
        lines.append(
            "| " + " | ".join([name, *(f"{t['cost_per_request']:.0f}, {t['satisfied']:.0%}" for t in both)]) + " |"
        )
    split = ", ".join(f"{name} {taken:.1f} s" for name, taken in report["command"]["startup"].items())
    return "\n".join([*lines, "", f"To the first image: {split}."]) + "\n"


def measure(suite: str, seed: int, settings: list[str]) -> dict[str, Any]:
    """The report of the embedded model."""
    method = load_config(None, settings, {}).method
    size, models = SUITES[suite], load(WEIGHTS)
    costs = count(models)
    told, emotions = plans(models, method, costs, size, seed)
    timed = speeds(models, method, size.timed, size.slow, seed)
    ran = command.measure(settings, images=24, batch=4)
    rate = matmul_rate(models.backbone.device, torch.float32)

    def gain(kind: str) -> float:
        return told[f"rejection{kind}"]["cost_per_request"] / told[f"muse{kind}"]["cost_per_request"]

    ratios = {
        "satisfied_cost_vs_rejection": gain(""),
        "satisfied_cost_vs_rejection_hard": gain("_hard"),
        "satisfied_cost_vs_rejection_least": min(
            emotions["rejection"][name]["cost_per_request"] / mine["cost_per_request"]
            for name, mine in emotions["muse"].items()
        ),
        "seconds_vs_reference": timed["reference"] / timed["all_slots"],
        "batch_vs_single": timed["one_slot"] / timed["all_slots"],
        "refill_vs_lockstep": timed["lockstep"] / timed["refilled"],
        "refill_vs_batches": timed["batches"] / timed["refilled"],
        "pipeline_overhead": ran["overhead"],
        "pipeline_overhead_unscored": ran["overhead_over_engine"],
        "help_seconds": ran["help_seconds"],
        "first_image_seconds": ran["first_image_seconds"],
    }
    return {
        "suite": suite,
        "seed": seed,
        "ratios": {name: ratios.get(name) for name in RATIOS},
        "seconds_per_image": timed,
        "command": ran,
        "plans": told,
        "emotions": emotions,
        "gflop": dataclasses.asdict(costs),
        "nfe_of_a_reading": costs.reading / costs.forward,
        "matmul_tflops": rate,
    }


def at_full_size(model: str) -> dict[str, Any]:
    """The report of random weights on this machine's GPU; of `tiny` on a CPU as well.

    Raises:
        typer.BadParameter: an unknown model, or no GPU for it.
    """
    if model not in SIZES:
        raise typer.BadParameter(f"{model!r}; choose embedded, {', '.join(SIZES)}", param_hint="--model")
    if torch.cuda.is_available():
        found = utilisation.measure(model, torch.device("cuda"), torch.bfloat16)
    elif model == "tiny":
        found = utilisation.measure(model, torch.device("cpu"), torch.float32)
    else:
        raise typer.BadParameter(f"{model} needs a CUDA device, and there is none", param_hint="--model")
    return {**found, "ratios": {name: found["ratios"].get(name) for name in RATIOS}}


def main(
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Where the figures go; table and plot beside.")
    ] = None,
    suite: Annotated[str, typer.Option(help="quick (minutes) or full.")] = "quick",
    model: Annotated[str, typer.Option(help="embedded; or random weights on a GPU: sd15, sdxl.")] = EMBEDDED,
    seed: int = 2001,
    threads: int = 2,
    set_: Annotated[list[str] | None, typer.Option("--set", help="A parameter of the method, as in tokens=2.")] = None,
) -> None:
    torch.set_num_threads(threads)
    if model == EMBEDDED:
        report = measure(suite, seed, [f"method.{assignment}" for assignment in set_ or []])
        table, plot = as_markdown(report), draw
    else:
        report = at_full_size(model)
        table, plot = utilisation.as_markdown(report), utilisation.draw
    print(table)
    if json_file is not None:
        json_file.parent.mkdir(parents=True, exist_ok=True)
        json_file.write_text(json.dumps(report, indent=2) + "\n")
        json_file.with_suffix(".md").write_text(table)
        plot(report, json_file.with_suffix(".png"))


if __name__ == "__main__":
    typer.run(main)
