"""How fast, against what a user would do instead: `python -m jobs.benchmark --json build/benchmark.json`.

All figures are ratios within one run on one machine. `ratios`, null where not measured:

- `satisfied_cost_vs_rejection`, `..._hard`: cost of rejection over that of the method until 90 % of a balanced
  plan's requests hold an image that the judge accepts, in network forwards (jobs/satisfy.py). Where rejection
  did not get there within its candidates, what it had spent: a lower bound.
- `seconds_vs_reference`: seconds for each image of the reference loop (muse/reference.py) over the engine's.
- `batch_vs_single`: the engine with one slot over the engine with all, in seconds.
- `refill_vs_lockstep`: batch after batch over one batch whose free slots are refilled, at the same slots.
- `pipeline_overhead`: of `muse-batch run` in steady state over the engine in a plain loop; not measured yet. What is:
  `command.steady_seconds` against `worker_seconds`, the time between batches, for judging and writing are the worker's.
- `help_seconds`, `first_image_seconds`: of the command.
- `gpu_fraction_of_matmul`: operations a second of the engine over those of a large matrix product; on a GPU.
"""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import matplotlib
import torch
import typer

from jobs.arms import Models, load, plain, request
from jobs.cases import Case, draw_cases
from jobs.cost import Costs, count
from jobs.metrics import Examiners
from jobs.satisfy import GOAL, satisfy, summary
from muse.engine import MuseEngine
from muse.method import Method
from muse.mini import WEIGHTS
from muse.reference import muse as reference
from muse.rows import Sample
from pipeline.config import load_config
from pipeline.log import entries

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


def seconds(work: Callable[[], Any]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def engine_run(models: Models, method: Method, cases: Sequence[Case], slots: int) -> list[Sample]:
    engine = MuseEngine(models.backbone, models.guide, models.clip, method, slots)
    return engine.run([request(case, plain(case)) for case in cases])


def plans(models: Models, method: Method, costs: Costs, suite: Suite, seed: int) -> dict[str, Any]:
    """The satisfied plan of both arms, over all requests and over the hard ones."""
    examiners = Examiners(WEIGHTS)
    cases = draw_cases(suite.requests, seed, editing=False)
    found = {
        "rejection": satisfy(models, examiners, costs, method, "prompted", cases, suite.rejection),
        "muse": satisfy(models, examiners, costs, method, "muse", cases, suite.candidates),
    }
    hard = {i for i, case in enumerate(cases) if case.hard}
    told = {arm: summary(drawn, len(cases)) for arm, drawn in found.items()}
    return told | {
        f"{arm}_hard": summary([d for d in drawn if d.case in hard], len(hard)) for arm, drawn in found.items()
    }


def speeds(models: Models, method: Method, suite: Suite, seed: int) -> dict[str, float]:
    """Seconds for each image of the reference, of the engine with one slot, in lockstep, refilled, and all at once."""
    cases = draw_cases(suite.timed, seed + 1, editing=False)
    few, slots = cases[: suite.slow], max(2, suite.timed // 4)
    arguments = (models.backbone, models.guide, models.clip, method)
    engine_run(models, method, few[:1], 0)  # the first run pays for allocations

    def one_by_one() -> None:
        with torch.no_grad():
            for case in few:
                models.backbone.codec.decode(reference(*arguments, request(case, plain(case))))

    def lockstep() -> None:
        for start in range(0, len(cases), slots):
            engine_run(models, method, cases[start : start + slots], 0)

    return {
        "reference": seconds(one_by_one) / len(few),
        "one_slot": seconds(lambda: engine_run(models, method, few, 1)) / len(few),
        "lockstep": seconds(lockstep) / len(cases),
        "refilled": seconds(lambda: engine_run(models, method, cases, slots)) / len(cases),
        "all_slots": seconds(lambda: engine_run(models, method, cases, 0)) / len(cases),
    }


def command(method: Sequence[str], images: int, batch: int) -> dict[str, float]:
    """`--help`, the first image of a run, and what a worker waits between its batches in steady state."""
    muse_batch = [sys.executable, "-m", "pipeline.cli"]
    told = {
        "help_seconds": min(
            seconds(lambda: subprocess.run([*muse_batch, "--help"], check=True, capture_output=True)) for _ in range(3)
        )
    }
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "out"
        demo = str(Path(__file__).parent.parent / "manifests" / "examples" / "demo.parquet")
        options = ["--output", str(output), "--limit", str(images), "--batch-size", str(batch), "--workers", "1"]
        settings = [part for setting in method for part in ("--set", f"method.{setting}")]
        began = time.time()
        subprocess.run([*muse_batch, "run", demo, *options, *settings], check=False, capture_output=True)
        reports = [entry for entry in entries(output) if "seconds" in entry]
        # From the end of the first batch to the end of the last: neither start nor finish, only the steady part.
        told["steady_seconds"] = reports[-1]["at"] - reports[0]["at"]
        told["worker_seconds"] = sum(report["seconds"] for report in reports[1:])
        told["first_image_seconds"] = reports[0]["at"] - began
    return told


def matmul_rate(device: torch.device, dtype: torch.dtype) -> float:
    """TFLOP/s of a large matrix product."""
    side = 8192 if device.type == "cuda" else 2048
    a, b = (torch.randn(side, side, device=device, dtype=dtype) for _ in range(2))

    def work() -> None:
        for _ in range(4):
            a @ b
        if device.type == "cuda":
            torch.cuda.synchronize()

    work()
    return 4 * 2 * side**3 / seconds(work) / 1e12


def draw(report: dict[str, Any], stem: Path) -> None:
    """Satisfied share against cost, and where an inner iteration goes, beside the report."""
    import matplotlib.pyplot as plt

    figure, panels = plt.subplots(1, 2, figsize=(11, 4.2), layout="constrained")
    for name, told in report["plans"].items():
        cost, share = zip(*told["curve"], strict=True)
        panels[0].step(cost, share, where="post", label=name, linestyle=":" if "hard" in name else "-")
    panels[0].axhline(GOAL, color="grey", linewidth=0.6)
    panels[0].set(xlabel="cost a request, in network forwards", ylabel="requests satisfied", xscale="log")
    panels[0].legend(fontsize=8)
    parts = report["gflop"]
    panels[1].barh(list(parts), list(parts.values()))
    panels[1].set(xlabel="GFLOP of one row")
    figure.savefig(stem.with_name(f"{stem.name}.png"), dpi=110)
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
    return "\n".join(lines) + "\n"


def main(
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Where the figures go; table and plot beside.")
    ] = None,
    suite: Annotated[str, typer.Option(help="quick (minutes) or full.")] = "quick",
    seed: int = 2001,
    threads: int = 2,
    set_: Annotated[list[str] | None, typer.Option("--set", help="A parameter of the method, as in tokens=2.")] = None,
) -> None:
    torch.set_num_threads(threads)
    method = load_config(None, [f"method.{assignment}" for assignment in set_ or []], {}).method
    size, models = SUITES[suite], load(WEIGHTS)
    costs = count(models)
    told = plans(models, method, costs, size, seed)
    timed = speeds(models, method, size, seed)
    ran = command(set_ or [], images=24, batch=4)
    rate = matmul_rate(models.backbone.device, torch.float32)

    def gain(kind: str) -> float:
        return told[f"rejection{kind}"]["cost_per_request"] / told[f"muse{kind}"]["cost_per_request"]

    report = {
        "suite": suite,
        "seed": seed,
        "ratios": {
            "satisfied_cost_vs_rejection": gain(""),
            "satisfied_cost_vs_rejection_hard": gain("_hard"),
            "seconds_vs_reference": timed["reference"] / timed["all_slots"],
            "batch_vs_single": timed["one_slot"] / timed["all_slots"],
            "refill_vs_lockstep": timed["lockstep"] / timed["refilled"],
            "pipeline_overhead": None,
            "help_seconds": ran["help_seconds"],
            "first_image_seconds": ran["first_image_seconds"],
            "gpu_fraction_of_matmul": None,
        },
        "seconds_per_image": timed,
        "command": ran,
        "plans": told,
        "gflop": dataclasses.asdict(costs),
        "nfe_of_a_reading": costs.reading / costs.forward,
        "matmul_tflops": rate,
    }
    print(as_markdown(report))
    if json_file is not None:
        json_file.parent.mkdir(parents=True, exist_ok=True)
        json_file.write_text(json.dumps(report, indent=2) + "\n")
        json_file.with_suffix(".md").write_text(as_markdown(report))
        draw(report, json_file.with_suffix(""))


if __name__ == "__main__":
    typer.run(main)
