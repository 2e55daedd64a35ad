"""The tables of an evaluation, made of its report alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from muse.emotions import MIKELS

SHOWN = (
    "success_examiner",
    "success_judge",
    "success_guide",
    "place",
    "subject",
    "clip_t",
    "forwards",
    "seconds",
)
EDITS = ("emo_s", "ssim", "psnr", "feature_distance", "clip_i")
TASKS = ("generation", "hard", "editing", "hard_edits")
COMPARED = (
    "success_examiner",
    "success_judge",
    "content",
    "right",
    "inherent_left",
    "moved",
    "clip_t",
    "forwards",
)
SCALES = {"clip_t": 1000, "forwards": 1}
RELATIONS = ("same", "polarity", "opposite")


def as_row(arm: str, task: str, found: Mapping[str, Mapping[str, float]]) -> str:
    """A line of progress, under `header`."""
    return row(
        arm, task, *(f"{found[name]['mean']:.3f}" if name in found else "" for name in SHOWN)
    )


def header() -> str:
    return "\n".join(
        head(
            "arm",
            "task",
            "examiner",
            "judge",
            "guide",
            "place",
            "subject",
            "clip_t",
            "forwards",
            "s/image",
        )
    )


def row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def head(*names: str) -> list[str]:
    return [row(*names), "|" + "---|" * len(names)]


def points(figure: Mapping[str, float], scale: float) -> str:
    mean, low, high = (figure[name] * scale for name in ("mean", "low", "high"))
    return f"{mean:+.1f} ({low:+.1f} to {high:+.1f})"


def percent(figure: Mapping[str, float]) -> str:
    return f"{figure['mean']:.0%} ({figure['low'] * 100:.0f} to {figure['high'] * 100:.0f})"


def arms_table(arms: Mapping[str, Any]) -> Iterator[str]:
    shares = ("success_judge", "success_guide", "content", "place", "subject")
    yield from head(
        *("task", "arm", "success", "judge", "guide", "content", "place", "subject"),
        *("CLIP-T", "Sem-D", "forwards", "seconds"),
    )
    for task in TASKS:
        for arm, told in arms.items():
            if task in told:
                one = told[task]
                yield row(
                    task,
                    arm,
                    percent(one["success_examiner"]),
                    *(f"{one[name]['mean']:.0%}" for name in shares),
                    f"{one['clip_t']['mean']:.3f}",
                    f"{one['sem_d']['mean']:.3f}" if "sem_d" in one else "",
                    f"{one['forwards']['mean']:.0f}",
                    f"{one['seconds']['mean']:.2f}" if "seconds" in one else "",
                )


def differences_table(differences: Mapping[str, Any]) -> Iterator[str]:
    """`muse` minus each arm, in points (CLIP-T in thousandths, forwards as they are)."""
    yield from head("task", "muse minus", *(name.replace("success_", "") for name in COMPARED))
    for task in TASKS:
        for arm, told in differences.items():
            if task in told:
                one = told[task]
                yield row(
                    task, arm, *(points(one[name], SCALES.get(name, 100)) for name in COMPARED)
                )


def edits_table(report: Mapping[str, Any]) -> Iterator[str]:
    """What edits keep of their source."""
    yield from head("edits", "success", "content", *EDITS)
    for arm, told in report["arms"].items():
        if "editing" in told:
            one = told["editing"]
            shares = (f"{one[name]['mean']:.0%}" for name in ("success_examiner", "content"))
            yield row(arm, *shares, *(f"{one[name]['mean']:.3f}" for name in EDITS))
    if "sdedit_at_equal_success" in report:
        same = report["sdedit_at_equal_success"]
        if same is None:
            yield row("sdedit is at no strength as successful as muse", *[""] * (2 + len(EDITS)))
            return
        shares = (f"{same[name]:.0%}" for name in ("success_examiner", "content"))
        yield row("sdedit as successful as muse", *shares, *(f"{same[name]:.3f}" for name in EDITS))


def split_table(
    part: Mapping[str, Any], task: str, kinds: Sequence[str], title: str
) -> Iterator[str]:
    """Success apart for each emotion, or for each relation of the content's own emotion to the target."""
    yield from head(f"success, {task}, {title}", *kinds)
    for arm, told in part.items():
        if task in told:
            yield row(
                arm,
                *(
                    f"{told[task][kind]['mean']:.0%}" if kind in told[task] else ""
                    for kind in kinds
                ),
            )


def confusion_table(counts: Sequence[Sequence[int]], task: str) -> Iterator[str]:
    yield from head(f"muse, {task}: target / seen", *MIKELS.labels)
    for label, line in zip(MIKELS.labels, counts, strict=True):
        yield row(label, *map(str, line))


def mixtures_table(runs: Mapping[str, Any]) -> Iterator[str]:
    names = list(runs["mixture"])
    yield from head("two-emotion targets", *names)
    for run, told in runs.items():
        yield row(run, *(percent(told[name]) for name in names))


def sweep_table(settings: Mapping[str, Any]) -> Iterator[str]:
    """Success and content of each setting, where guidance set in, and success minus the default's, in points."""
    yield from head(
        "task",
        "setting",
        "start",
        "success",
        "judge",
        "guide",
        "content",
        "right",
        "forwards",
        "gain",
    )
    for task in TASKS:
        for name, told in settings.items():
            if task in told:
                one = told[task]
                shares = (
                    percent(one[f"success_{role}"]) for role in ("examiner", "judge", "guide")
                )
                start = f"{one['start']['mean']:.2f}" if "start" in one else ""
                gain = percent(one["gain"]) if "gain" in one else ""
                cost = f"{one['forwards']['mean']:.0f}"
                yield row(
                    task,
                    name,
                    start,
                    *shares,
                    *(percent(one[key]) for key in ("content", "right")),
                    cost,
                    gain,
                )


def as_markdown(report: Mapping[str, Any]) -> str:
    """Every table that the report has figures for."""
    tables: list[Iterator[str]] = []
    if report["arms"]:
        tables.append(arms_table(report["arms"]))
    if report["differences"]:
        tables.append(differences_table(report["differences"]))
    if any("editing" in told for told in report["arms"].values()):
        tables.append(edits_table(report))
    for task in ("generation", "editing"):
        if any(task in told for told in report["emotions"].values()):
            tables.append(split_table(report["emotions"], task, MIKELS.labels, "by target"))
            tables.append(
                split_table(report["inherent"], task, RELATIONS, "by the content's own emotion")
            )
        if task in report["confusion"].get("muse", {}):
            tables.append(confusion_table(report["confusion"]["muse"][task], task))
    if report["mixtures"]:
        tables.append(mixtures_table(report["mixtures"]))
    if report["sweep"]:
        tables.append(sweep_table(report["sweep"]))
    told = f"Seed {report['seed']}, suite {report['suite']}, {report['minutes']} minutes."
    opening = f"# Evaluation\n\n{told} Success is the examiner's, in brackets its 95 % interval.\n"
    return "\n".join([opening, *("\n".join(table) + "\n" for table in tables)])
