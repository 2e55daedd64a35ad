"""The tables of an evaluation, from its report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from jobs.evaluation.arms.registry import WHOLE
from jobs.evaluation.measures.equal_cost import TOLERANCE
from jobs.evaluation.report.names import NAMES, TITLES
from muse.emotions import MIKELS

SHOWN = (
    "right",
    "success_examiner",
    "success_judge",
    "success_guide",
    "place",
    "subject",
    "clip_t",
    "cost",
    "seconds",
)
EDITS = ("emo_s", "ssim", "psnr", "feature_distance", "clip_i")
GROUPS = (("generation", "hard"), ("editing", "hard_edits"), ("mixtures",))
"""Tasks, each with its hard part."""
TASKS = ("generation", "hard", "editing", "hard_edits", "mixtures")
COMPARED = (
    "success_examiner",
    "success_judge",
    "content",
    "right",
    "inherent_left",
    "moved",
    "clip_t",
    "cost",
)
SCALES = {"clip_t": 1000, "cost": 1}
KINDS = {
    "emotion": ("target", MIKELS.labels),
    "polarity": ("polarity of the target", ("positive", "negative")),
    "inherent": ("the content's own emotion", ("same", "polarity", "opposite")),
}
"""For each attribute of a case: what it is, and its values."""


def as_row(arm: str, task: str, found: Mapping[str, Mapping[str, float]]) -> str:
    """A row of progress, below `header`."""
    cells = (f"{found[name]['mean']:.3f}" if name in found else "" for name in SHOWN)
    return row(arm, task, *cells)


def header() -> str:
    names = ("right", "examiner", "judge", "guide", "place", "subject", "clip_t", "cost", "s/image")
    return "\n".join(head("arm", "task", *names))


def row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def head(*names: str) -> list[str]:
    return [row(*names), "|" + "---|" * len(names)]


def points(figure: Mapping[str, float], scale: float) -> str:
    mean, low, high = (figure[name] * scale for name in ("mean", "low", "high"))
    return f"{mean:+.1f} ({low:+.1f} to {high:+.1f})"


def percent(figure: Mapping[str, float]) -> str:
    return f"{figure['mean']:.0%} ({figure['low'] * 100:.0f} to {figure['high'] * 100:.0f})"


def right_table(arms: Mapping[str, Any]) -> Iterator[str]:
    """`right`, in percent, and cost of every arm, as `docs/results.md` has it."""
    columns, titles = list[tuple[str, str]](), list[str]()
    for tasks in GROUPS:
        if not any(tasks[0] in found for found in arms.values()):
            continue
        columns += [(task, "right") for task in tasks] + [(tasks[0], "cost")]
        titles += [TITLES[task] for task in tasks] + ["cost"]
    yield from head("right, in %", *titles)
    for arm, found in arms.items():
        cells = []
        for task, metric in columns:
            figure = found[task][metric] if task in found else None
            in_words = round_cost if metric == "cost" else bare_percent
            cells.append(in_words(figure) if figure else "")
        yield row(f"{NAMES[arm]} (`{arm}`)", *cells)


def bare_percent(figure: Mapping[str, float]) -> str:
    return percent(figure).replace("%", "")


def round_cost(figure: Mapping[str, float]) -> str:
    return f"{figure['mean']:.0f}"


def arms_table(arms: Mapping[str, Any]) -> Iterator[str]:
    shares = ("success_judge", "success_guide", "content", "place", "subject")
    yield from head(
        *("task", "arm", "right", "success", "judge", "guide", "content", "place", "subject"),
        *("CLIP-T", "Sem-C", "Sem-D", "KID", "cost", "seconds"),
    )
    for task in TASKS:
        for arm, tasks in arms.items():
            if task in tasks:
                figures = tasks[task]
                yield row(
                    task,
                    arm,
                    percent(figures["right"]),
                    percent(figures["success_examiner"]),
                    *(f"{figures[name]['mean']:.0%}" for name in shares),
                    *(mean_of(figures, name, 3) for name in ("clip_t", "sem_c", "sem_d")),
                    mean_of(figures, "kid", 2),
                    f"{figures['cost']['mean']:.0f}",
                    mean_of(figures, "seconds", 2),
                )


def settings_table(settings: Mapping[str, Any], chosen: Mapping[str, Any]) -> Iterator[str]:
    """Every setting of every arm; the one that was chosen is bold."""
    yield from head("task", "arm", "setting", "right", "success", "content", "cost")
    for task in TASKS:
        for arm, found in settings.items():
            for setting, tasks in found.items():
                if task not in tasks:
                    continue
                figures, is_chosen = tasks[task], chosen.get(task, {}).get(arm) == setting
                cells = [percent(figures[name]) for name in ("right", "success_examiner")]
                cells += [f"{figures['content']['mean']:.0%}", f"{figures['cost']['mean']:.0f}"]
                yield row(task, arm, f"**{setting}**" if is_chosen else setting, *cells)


def equal_cost_table(found: Mapping[str, Any]) -> Iterator[str]:
    """The best rival at up to `TOLERANCE` x the cost of `muse`, and the difference in points."""
    title = f"at equal cost (up to {TOLERANCE} x)"
    yield from head(title, "rival", "cost", "right", "muse", "muse minus rival")
    for task, entry in found.items():
        rival = f"{entry['arm']}, {entry['setting']}"
        cells = percent(entry["right"]), percent(entry["muse"]), points(entry["difference"], 100)
        yield row(task, rival, f"{entry['cost']['mean']:.0f}", *cells)


def filters_table(filters: Mapping[str, Any]) -> Iterator[str]:
    """What the levels of the content judge reject."""
    names = ("with content, accepted", "without, rejected", "reached by 98 % of the former")
    yield from head("task", "filter", *names)
    for task, levels in filters.items():
        for name, found in levels.items():
            cells = percent(found["kept"]), percent(found["rejected"])
            yield row(task, f"{name} {found['level']}", *cells, f"{found['reached_by_98']:.2f}")


def left_out_line(task: str, arm: str) -> str:
    """Why an ablation has no row."""
    return (
        f"`{arm}` is left out of {task}: the setting of `{WHOLE}` has nothing that it takes away."
    )


def mean_of(figures: Mapping[str, Any], name: str, digits: int) -> str:
    """The mean of a figure; empty where there is none."""
    return f"{figures[name]['mean']:.{digits}f}" if name in figures else ""


def differences_table(differences: Mapping[str, Any]) -> Iterator[str]:
    """`muse` minus each arm, in points (CLIP-T in thousandths, cost in forwards)."""
    yield from head("task", "muse minus", *(name.replace("success_", "") for name in COMPARED))
    for task in TASKS:
        for arm, tasks in differences.items():
            if task in tasks:
                figures = tasks[task]
                cells = (points(figures[name], SCALES.get(name, 100)) for name in COMPARED)
                yield row(task, arm, *cells)


def edits_table(report: Mapping[str, Any]) -> Iterator[str]:
    """Similarity of edits to their sources."""
    yield from head("edits", "success", "content", *EDITS)
    for arm, tasks in report["arms"].items():
        if "editing" in tasks:
            figures = tasks["editing"]
            shares = (f"{figures[name]['mean']:.0%}" for name in ("success_examiner", "content"))
            yield row(arm, *shares, *(f"{figures[name]['mean']:.3f}" for name in EDITS))
    if "sdedit_at_equal_success" in report:
        same = report["sdedit_at_equal_success"]
        if same is None:
            yield row("sdedit: no strength with the success of muse", *[""] * (2 + len(EDITS)))
            return
        shares = (f"{same[name]:.0%}" for name in ("success_examiner", "content"))
        yield row(
            "sdedit at the success of muse", *shares, *(f"{same[name]:.3f}" for name in EDITS)
        )


def split_table(
    part: Mapping[str, Any], task: str, kinds: Sequence[str], title: str
) -> Iterator[str]:
    """A metric for each value of an attribute of the cases."""
    yield from head(title, *kinds)
    for arm, tasks in part.items():
        if task in tasks:
            figures = tasks[task]
            cells = (f"{figures[kind]['mean']:.0%}" if kind in figures else "" for kind in kinds)
            yield row(arm, *cells)


def split_tables(splits: Mapping[str, Any], task: str) -> list[Iterator[str]]:
    """A table for each metric and each attribute by which figures are split."""
    tables = []
    for metric, by_attribute in splits.items():
        for attribute, (title, kinds) in KINDS.items():
            what = f"{metric.replace('_examiner', '')}, {task}, by {title}"
            tables.append(split_table(by_attribute[attribute], task, kinds, what))
    return tables


def confusion_table(counts: Sequence[Sequence[int]], task: str) -> Iterator[str]:
    yield from head(f"muse, {task}: target / examiner", *MIKELS.labels)
    for label, line in zip(MIKELS.labels, counts, strict=True):
        yield row(label, *map(str, line))


def mixtures_table(runs: Mapping[str, Any]) -> Iterator[str]:
    names = list(runs["mixture"])
    yield from head("two-emotion targets", *names)
    for run, figures in runs.items():
        yield row(run, *(percent(figures[name]) for name in names))


def sweep_table(settings: Mapping[str, Any]) -> Iterator[str]:
    """Figures of each setting, with the start of guidance and the gain in points."""
    names = ("success", "judge", "guide", "content", "right", "cost", "gain")
    yield from head("task", "setting", "start", *names)
    shares = ("success_examiner", "success_judge", "success_guide", "content", "right")
    for task in TASKS:
        for name, tasks in settings.items():
            if task in tasks:
                figures = tasks[task]
                start = f"{figures['start']['mean']:.2f}" if "start" in figures else ""
                gain = percent(figures["gain"]) if "gain" in figures else ""
                cost = f"{figures['cost']['mean']:.0f}"
                cells = (percent(figures[key]) for key in shares)
                yield row(task, name, start, *cells, cost, gain)


def as_markdown(report: Mapping[str, Any]) -> str:
    """Every table that the report has figures for."""
    tables: list[Iterator[str]] = []
    if report["arms"]:
        tables += [right_table(report["arms"]), arms_table(report["arms"])]
    if report["differences"]:
        tables.append(differences_table(report["differences"]))
    if report["equal_cost"]:
        tables.append(equal_cost_table(report["equal_cost"]))
    if report["settings"]:
        tables.append(settings_table(report["settings"], report["chosen"]))
    if any(report["filters"].values()):
        tables.append(filters_table(report["filters"]))
    if any("editing" in tasks for tasks in report["arms"].values()):
        tables.append(edits_table(report))
    for task in ("generation", "editing"):
        if any(task in tasks for tasks in report["arms"].values()):
            tables += split_tables(report["splits"], task)
        if task in report["confusion"].get("muse", {}):
            tables.append(confusion_table(report["confusion"]["muse"][task], task))
    if report["mixtures"]:
        tables.append(mixtures_table(report["mixtures"]))
    if report["sweep"]:
        tables.append(sweep_table(report["sweep"]))
    missing = []
    for task, names in report["left_out"].items():
        missing += [left_out_line(task, name) for name in names]
    if missing:
        tables.insert(0, iter(missing))
    run = f"Seed {report['seed']}, suite {report['suite']}, {report['minutes']} minutes."
    opening = (
        f"# Evaluation\n\n{run} Success is by the examiner, with 95 % intervals in brackets.\n"
    )
    return "\n".join([opening, *("\n".join(table) + "\n" for table in tables)])
