"""The tables and the plot of a benchmark, from its report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt

from jobs.benchmark.acceptance_cost import GOAL

Report = Mapping[str, Any]


def row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def head(*names: str) -> list[str]:
    return ["", row(*names), "|" + "---|" * len(names)]


def ratios_table(report: Report) -> Iterator[str]:
    yield from head("ratio", "")
    for name, value in report["ratios"].items():
        yield row(name, "not measured" if value is None else f"{value:.2f}")


def plans_table(report: Report) -> Iterator[str]:
    yield from head("plan", "requests", "cost a request", "accepted", "confirmed", "candidates")
    for name, plan in report["plans"].items():
        note = "" if plan["reached"] else f" ({GOAL:.0%} not reached)"
        shares = (f"{plan[key]:.0%}" for key in ("accepted", "confirmed"))
        cost = f"{plan['cost_per_request']:.0f}{note}"
        yield row(name, str(plan["requests"]), cost, *shares, str(plan["candidates"]))


def emotions_table(report: Report) -> Iterator[str]:
    yield from head("emotion", "rejection: cost a request, accepted", "muse")
    for name, muse in report["emotions"]["muse"].items():
        arms = (report["emotions"]["rejection"][name], muse)
        yield row(name, *(f"{arm['cost_per_request']:.0f}, {arm['accepted']:.0%}" for arm in arms))


def slots_table(report: Report) -> Iterator[str]:
    yield from head("slots", "s/image", "of the matmul rate")
    for line in report["slots"]:
        share = f"{line['fraction_of_matmul']:.0%}"
        yield row(str(line["slots"]), f"{line['seconds_per_image']:.2f}", share)


def arms_table(report: Report) -> Iterator[str]:
    names = ("requests", "s/image", "accepted", "accepted/hour")
    yield from head("arm", *names, "examiner", "judge", "guide", "CLIP-T")
    for name, arm in report["arms"].items():
        yield row(
            name,
            str(arm["requests"]),
            f"{arm['seconds_per_image']:.2f}",
            f"{arm['accepted']:.0%}",
            f"{arm['accepted_images_per_hour']:.0f}",
            *(f"{arm[f'success_{role}']:.0%}" for role in ("examiner", "judge", "guide")),
            f"{arm['clip_t']:.3f}",
        )


def as_markdown(report: Report) -> str:
    tables = (ratios_table, plans_table, emotions_table, slots_table, arms_table)
    lines = [line for table in tables for line in table(report)]
    startup = report["command"]["startup"].items()
    parts = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in startup)
    minutes = f"The benchmark took {report['seconds'] / 60:.1f} minutes"
    lines += ["", f"To the first image: {parts}."]
    lines += ["", f"{minutes} and at most {report['peak_memory_mb']:.0f} MB."]
    return "\n".join(lines).lstrip() + "\n"


def draw(report: Report, file: Path) -> None:
    """Accepted share against cost, utilisation against slots, the cost of a row, and seconds."""
    figure, panels = plt.subplots(1, 4, figsize=(20, 4.2), layout="constrained")
    draw_plans(panels[0], report["plans"])
    draw_slots(panels[1], report["slots"])
    bars(panels[2], report["gflop"], "GFLOP of one row")
    command = report["command"]
    waiting = max(0.0, command["steady"] - command["worker"])
    parts = command["parts"] | {"waiting between batches": waiting}
    bars(panels[3], parts, "seconds of a run in steady state")
    figure.savefig(file, dpi=110)
    plt.close(figure)


def draw_plans(panel: Any, plans: Mapping[str, Any]) -> None:
    for name, plan in plans.items():
        cost, share = zip(*plan["curve"], strict=True)
        style = ":" if "hard" in name else "-"
        panel.step(cost, share, where="post", label=name, linestyle=style)
    panel.axhline(GOAL, color="grey", linewidth=0.6)
    label = "cost a request, in network forwards"
    panel.set(xlabel=label, ylabel="requests with an accepted image", xscale="log")
    panel.legend(fontsize=8)


def draw_slots(panel: Any, lines: Sequence[Mapping[str, float]]) -> None:
    slots = [line["slots"] for line in lines]
    panel.plot(slots, [line["fraction_of_matmul"] for line in lines], marker="o")
    panel.set(xlabel="slots", ylabel="share of the measured matmul rate", ylim=(0, None))
    panel.set_xscale("log", base=2)


def bars(panel: Any, parts: Mapping[str, float], label: str) -> None:
    """A bar a part, the longest on top."""
    ordered = sorted(parts, key=lambda name: parts[name])
    panel.barh(ordered, [parts[name] for name in ordered])
    panel.set(xlabel=label)
