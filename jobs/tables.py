"""The tables of an evaluation, made of its report alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from muse.emotions import MIKELS

SHOWN = ("success_examiner", "success_judge", "success_guide", "place", "subject", "clip_t", "forwards", "seconds")
EDITS = ("emo_s", "ssim", "psnr", "feature_distance", "clip_i")


def header() -> str:
    names = ("arm", "task", "examiner", "judge", "guide", "place", "subject", "clip_t", "forwards", "s/image")
    return f"| {' | '.join(names)} |\n{'|---' * len(names)}|"


def as_row(arm: str, task: str, found: Mapping[str, Mapping[str, float]]) -> str:
    return f"| {arm} | {task} | " + " | ".join(f"{found[name]['mean']:.3f}" for name in SHOWN) + " |"


def percent(figure: Mapping[str, float]) -> str:
    return f"{figure['mean']:.0%} ({figure['low'] * 100:.0f}-{figure['high'] * 100:.0f})"


def as_markdown(report: Mapping[str, Any]) -> str:
    """The report's tables: arms, what edits keep, muse by emotion, mixtures."""
    setting = f"seed {report['seed']}, suite {report['suite']}, {report['minutes']} minutes"
    lines = [f"# Evaluation ({setting})", "", "Success is the examiner's, with its 95 % interval.", ""]
    shown = ("judge", "guide", "place", "subject", "CLIP-T", "Sem-D", "forwards", "seconds")
    table = report["arms"] | report["sweep"]
    lines += [f"| task | arm | success | {' | '.join(shown)} |", "|---" * (3 + len(shown)) + "|"]
    for task in ("generation", "hard", "editing"):
        for arm, told in table.items():
            if task in told:
                one = told[task]
                shares = " | ".join(
                    f"{one[n]['mean']:.0%}" for n in ("success_judge", "success_guide", "place", "subject")
                )
                variety = f"{one['sem_d']['mean']:.3f}" if "sem_d" in one else ""
                rest = f"{one['clip_t']['mean']:.3f} | {variety} | {one['forwards']['mean']:.0f}"
                success = percent(one["success_examiner"])
                lines.append(f"| {task} | {arm} | {success} | {shares} | {rest} | {one['seconds']['mean']:.2f} |")
    edited = {arm: told["editing"] for arm, told in table.items() if "editing" in told}
    if edited:
        lines += ["", f"| edits | content | {' | '.join(EDITS)} |", "|---" * (2 + len(EDITS)) + "|"]
        for arm, one in edited.items():
            kept = " | ".join(f"{one[name]['mean']:.3f}" for name in EDITS)
            lines.append(f"| {arm} | {one['content']['mean']:.0%} | {kept} |")
        if "sdedit_at_equal_success" in report:
            same = report["sdedit_at_equal_success"]
            kept = " | ".join(f"{same[name]:.3f}" for name in EDITS)
            lines.append(f"| sdedit at {same['success_examiner']:.0%} success | {same['content']:.0%} | {kept} |")
    for task in report["emotions"].get("muse", {}):
        lines += ["", f"| success, {task} | {' | '.join(MIKELS.labels)} |", "|---" * (1 + len(MIKELS)) + "|"]
        for arm, told in report["emotions"].items():
            if task in told:
                cells = [f"{told[task][name]['mean']:.0%}" if name in told[task] else "" for name in MIKELS.labels]
                lines.append(f"| {arm} | {' | '.join(cells)} |")
        lines += [
            "",
            f"| muse, {task}: target / seen | {' | '.join(MIKELS.labels)} |",
            "|---" * (1 + len(MIKELS)) + "|",
        ]
        for label, row in zip(MIKELS.labels, report["confusion"]["muse"][task], strict=True):
            lines.append(f"| {label} | {' | '.join(map(str, row))} |")
    if report["mixtures"]:
        names = list(report["mixtures"]["mixture"])
        lines += ["", f"| two-emotion targets | {' | '.join(names)} |", "|---" * (1 + len(names)) + "|"]
        for run, told in report["mixtures"].items():
            lines.append(f"| {run} | {' | '.join(percent(told[name]) for name in names)} |")
    return "\n".join(lines) + "\n"
