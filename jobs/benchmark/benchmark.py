"""How fast, against what a user would do instead: `python -m jobs.benchmark --json build/benchmark.json`.

The arms are (a) the emotion in words, (b) rejection sampling of (a), (c) the reference loop (muse/reference.py), one
image at a time, (d) the engine with savings that change nothing, and (e) with the one approximation that a run has by
default, the tiny decoder in the readings. `plans` has (b) and (e), and their first candidates are (a) and (e). `arms`
has (a) `prompted` and (e) `engine`, and on some of their requests (c) `reference`, (d) `exact_same` and (e)
`engine_same`, with what the classifiers find in their images (jobs/benchmark/speeds.py). An image is accepted where the judge is
as sure as a run asks for by default.

All figures are ratios within one run on one machine. `ratios`, null where not measured:

- `satisfied_cost_vs_rejection`, `..._hard`: cost of rejection over that of the method until 90 % of a balanced
  plan's requests hold an accepted image, in network forwards (jobs/benchmark/acceptance_cost.py). Where the method did not get there
  within its candidates, until the share that it reached, for both; where rejection did not, all that it had spent: a
  lower bound.
- `satisfied_cost_vs_rejection_least`: the same of the emotion on which the method gains least, null if on one of them
  it satisfied nothing. `emotions.ARM.EMOTION` has all that was spent on each, until the plan was satisfied, and the
  hard part of it.
- `seconds_vs_reference`: seconds for each accepted image of the reference loop over the engine's, on the same requests;
  `..._exact`: over (d)'s.
- `batch_vs_single`: the engine with one slot over the engine with all, in seconds; `slots` has the numbers between.
- `refill_vs_lockstep`: the plain batched loop of jobs/benchmark/lockstep.py over the engine with slots that are refilled, at as
  many rows; `refill_vs_batches`: the engine batch after batch over the same.
- `pipeline_overhead`: of `muse-batch run` with one worker in steady state over the engine in a plain loop on the same
  requests in the same batches, both with the scoring of what came out (jobs/benchmark/command_timing.py); `..._unscored`: over the
  engine's share of that loop alone, so that scoring, encoding and writing count as overhead, too.
- `help_seconds`, `status_seconds`, `first_image_seconds`: of the command; `command.startup` splits the latter.
- `fraction_of_matmul`: operations a second of the engine over those of a large matrix product, by the counts of
  jobs/benchmark/cost.py; `gpu_fraction_of_matmul`: the same on a GPU.

Also `arms.ARM.accepted_images_per_hour`, of (a) kept as drawn, (c) and (d); `peak_memory_mb`, the most that this
process held at once, all models included; and `seconds`, that the benchmark took.

`--model sd15` or `sdxl` measures random weights at full size on a CUDA device instead (jobs/benchmark/utilisation.py).
"""

from __future__ import annotations

import dataclasses
import json
import resource
import time
from pathlib import Path
from typing import Annotated, Any

import matplotlib
import torch
import typer

from jobs.benchmark import command_timing as command
from jobs.benchmark import utilisation
from jobs.benchmark.acceptance_cost import GOAL, by_emotion, gain, satisfy, summary
from jobs.benchmark.cost import Costs, count
from jobs.benchmark.random_models import SIZES
from jobs.benchmark.speeds import by_slots, matmul_rate, paces, timed_arms
from jobs.benchmark.utilisation import bars
from jobs.evaluation.arms import Models, load
from jobs.evaluation.cases import draw_cases
from jobs.evaluation.metrics import Examiners
from muse.diffusion.hub import NO_TINY_VAE
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


SUITES = {"quick": Suite(48, 64, 4, 32, 8), "full": Suite(128, 64, 8, 64, 16)}
RATIOS = (
    "satisfied_cost_vs_rejection",
    "satisfied_cost_vs_rejection_hard",
    "satisfied_cost_vs_rejection_least",
    "seconds_vs_reference",
    "seconds_vs_reference_exact",
    "batch_vs_single",
    "refill_vs_lockstep",
    "refill_vs_batches",
    "pipeline_overhead",
    "pipeline_overhead_unscored",
    "help_seconds",
    "status_seconds",
    "first_image_seconds",
    "fraction_of_matmul",
    "gpu_fraction_of_matmul",
)


def plans(
    models: Models, examiners: Examiners, method: Method, costs: Costs, suite: Suite, seed: int
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The satisfied plan of both arms, over all requests and over the hard ones; and what each emotion took of it."""
    cases = draw_cases(suite.requests, seed, editing=False)
    found = {
        "rejection": satisfy(models, examiners, costs, method, "prompted", cases, suite.rejection),
        "muse": satisfy(models, examiners, costs, method, "muse", cases, suite.candidates),
    }
    hard = {i for i, case in enumerate(cases) if case.hard}
    told = {arm: summary(drawn, len(cases)) for arm, drawn in found.items()}
    told |= {
        f"{arm}_hard": summary([d for d in drawn if d.case in hard], len(hard))
        for arm, drawn in found.items()
    }
    return told, {arm: by_emotion(drawn, cases) for arm, drawn in found.items()}


def draw(report: dict[str, Any], file: Path) -> None:
    """Satisfied share against cost, utilisation against slots, what a reading takes, and where a run's seconds go."""
    import matplotlib.pyplot as plt

    figure, panels = plt.subplots(1, 4, figsize=(20, 4.2), layout="constrained")
    for name, told in report["plans"].items():
        cost, share = zip(*told["curve"], strict=True)
        panels[0].step(
            cost, share, where="post", label=name, linestyle=":" if "hard" in name else "-"
        )
    panels[0].axhline(GOAL, color="grey", linewidth=0.6)
    panels[0].set(
        xlabel="cost a request, in network forwards", ylabel="requests satisfied", xscale="log"
    )
    panels[0].legend(fontsize=8)
    slots, shares = zip(
        *((row["slots"], row["fraction_of_matmul"]) for row in report["slots"]), strict=True
    )
    panels[1].plot(slots, shares, marker="o")
    panels[1].set(xlabel="slots", ylabel="share of the measured matmul rate", ylim=(0, None))
    panels[1].set_xscale("log", base=2)
    bars(panels[2], report["gflop"], "GFLOP of one row")
    waiting = {
        "waiting between batches": max(
            0.0, report["command"]["steady"] - report["command"]["worker"]
        )
    }
    bars(panels[3], report["command"]["parts"] | waiting, "seconds of a run in steady state")
    figure.savefig(file, dpi=110)
    plt.close(figure)


def as_markdown(report: dict[str, Any]) -> str:
    lines = ["| ratio | |", "|---|---|"]
    for name, value in report["ratios"].items():
        lines.append(f"| {name} | {'not measured' if value is None else f'{value:.2f}'} |")
    lines += [
        "",
        "| plan | requests | cost a request | satisfied | examiner agrees | candidates |",
        "|---" * 6 + "|",
    ]
    for name, told in report["plans"].items():
        cost = f"{told['cost_per_request']:.0f}" + (
            "" if told["reached"] else " (90 % not reached)"
        )
        shares = f"{told['satisfied']:.0%} | {told['examiner_agrees']:.0%}"
        lines.append(f"| {name} | {told['requests']} | {cost} | {shares} | {told['candidates']} |")
    lines += ["", "| emotion | rejection: cost a request, satisfied | muse |", "|---|---|---|"]
    for name, mine in report["emotions"]["muse"].items():
        both = (report["emotions"]["rejection"][name], mine)
        lines.append(
            "| "
            + " | ".join(
                [name, *(f"{t['cost_per_request']:.0f}, {t['satisfied']:.0%}" for t in both)]
            )
            + " |"
        )
    lines += ["", "| slots | s/image | of the matmul rate |", "|---|---|---|"]
    lines += [
        f"| {t['slots']} | {t['seconds_per_image']:.2f} | {t['fraction_of_matmul']:.0%} |"
        for t in report["slots"]
    ]
    names = (
        "requests",
        "s/image",
        "accepted",
        "accepted/hour",
        "examiner",
        "judge",
        "guide",
        "CLIP-T",
    )
    lines += ["", f"| arm | {' | '.join(names)} |", "|---" * (1 + len(names)) + "|"]
    for name, arm in report["arms"].items():
        shares = " | ".join(
            f"{arm[f'success_{role}']:.0%}" for role in ("examiner", "judge", "guide")
        )
        speed = f"{arm['seconds_per_image']:.2f} | {arm['accepted']:.0%} | {arm['accepted_images_per_hour']:.0f}"
        lines.append(f"| {name} | {arm['requests']} | {speed} | {shares} | {arm['clip_t']:.3f} |")
    split = ", ".join(
        f"{name} {taken:.1f} s" for name, taken in report["command"]["startup"].items()
    )
    whole = f"At most {report['peak_memory_mb']:.0f} MB; all of it took {report['seconds'] / 60:.1f} minutes."
    return "\n".join([*lines, "", f"To the first image: {split}.", "", whole]) + "\n"


def measure(suite: str, seed: int, settings: list[str]) -> dict[str, Any]:
    """The report of the embedded model."""
    began = time.monotonic()
    method = load_config(None, settings, {}).method
    size, models, examiners = SUITES[suite], load(WEIGHTS), Examiners(WEIGHTS)
    costs = count(models)
    told, emotions = plans(models, examiners, method, costs, size, seed)
    cases = draw_cases(size.timed, seed + 1, editing=False)
    arms = timed_arms(models, load(WEIGHTS, NO_TINY_VAE), examiners, method, cases, size.slow)
    rate = matmul_rate(models.backbone.device, torch.float32)
    used, timed = by_slots(models, costs, method, cases, rate), paces(models, method, cases)
    ran = command.measure(settings, images=24, batch=4)
    slow, same, exact = (
        arms[name]["seconds_per_accepted"] for name in ("reference", "engine_same", "exact_same")
    )
    gains = [gain(emotions["rejection"][name], mine) for name, mine in emotions["muse"].items()]
    known = [each for each in gains if each is not None]
    ratios = {
        "satisfied_cost_vs_rejection": gain(told["rejection"], told["muse"]),
        "satisfied_cost_vs_rejection_hard": gain(told["rejection_hard"], told["muse_hard"]),
        "satisfied_cost_vs_rejection_least": min(known) if len(known) == len(gains) else None,
        "seconds_vs_reference": slow / same if slow and same else None,
        "seconds_vs_reference_exact": slow / exact if slow and exact else None,
        "batch_vs_single": used[0]["seconds_per_image"] / used[-1]["seconds_per_image"],
        "refill_vs_lockstep": timed["lockstep"] / timed["refilled"],
        "refill_vs_batches": timed["batches"] / timed["refilled"],
        "pipeline_overhead": ran["overhead"],
        "pipeline_overhead_unscored": ran["overhead_over_engine"],
        **{name: ran[name] for name in ("help_seconds", "status_seconds", "first_image_seconds")},
        "fraction_of_matmul": used[-1]["fraction_of_matmul"],
    }
    return {
        "suite": suite,
        "seed": seed,
        "ratios": {name: ratios.get(name) for name in RATIOS},
        "slots": used,
        "seconds_per_image": timed,
        "arms": arms,
        "command": ran,
        "plans": told,
        "emotions": emotions,
        "gflop": dataclasses.asdict(costs),
        "nfe_of_a_reading": costs.reading / costs.forward,
        "matmul_tflops": rate,
        "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "seconds": time.monotonic() - began,
    }


def at_full_size(model: str) -> dict[str, Any]:
    """The report of random weights on this machine's GPU; of `tiny` on a CPU as well.

    Raises:
        typer.BadParameter: an unknown model, or no GPU for it.
    """
    if model not in SIZES:
        raise typer.BadParameter(
            f"{model!r}; choose embedded, {', '.join(SIZES)}", param_hint="--model"
        )
    if torch.cuda.is_available():
        found = utilisation.measure(model, torch.device("cuda"), torch.bfloat16)
    elif model == "tiny":
        found = utilisation.measure(model, torch.device("cpu"), torch.float32)
    else:
        raise typer.BadParameter(
            f"{model} needs a CUDA device, and there is none", param_hint="--model"
        )
    return {**found, "ratios": {name: found["ratios"].get(name) for name in RATIOS}}


def main(
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Where the figures go; table and plot beside.")
    ] = None,
    suite: Annotated[str, typer.Option(help="quick (minutes) or full.")] = "quick",
    model: Annotated[
        str, typer.Option(help="embedded; or random weights on a GPU: sd15, sdxl.")
    ] = EMBEDDED,
    seed: int = 2001,
    threads: int = 2,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="A parameter of the method, as in tokens=2.")
    ] = None,
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
