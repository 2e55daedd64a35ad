"""Settings of the method compared, without fitted tokens: its timing and its parameters.

Each changes one part of the method at a time. `gain` is `right` minus that of the given method
(`default`), paired by request: all settings make the same requests from the same noise.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from jobs.benchmark.cost import count
from jobs.evaluation.arms.models import Arm, load
from jobs.evaluation.arms.registry import PLAIN, WHOLE, arm_of
from jobs.evaluation.cases import Case
from jobs.evaluation.kept import NOTHING, Kept
from jobs.evaluation.measures.intervals import interval
from jobs.evaluation.measures.metrics import Examiners
from jobs.evaluation.measures.results import ArmResult, by_task, subsets
from jobs.evaluation.progress import Progress, Work
from jobs.evaluation.report.tables import as_row, header
from jobs.evaluation.tuning import Bench
from muse.diffusion.devices import AUTO
from muse.diffusion.files.hub import NO_TINY_VAE
from muse.method import Method

COUNT = 48
"""Cases of each task."""
STARTS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6)
THRESHOLDS = (0.75, 0.8, 0.85)
"""Levels that the embedded CLIP gives a prediction in the course of its steps."""
HOW: Mapping[str, tuple[Any, ...]] = {
    "warm_start": (False,),
    "tokens": (1, 2, 4),
    "initial_scale": (0.0, 0.5),
    "learning_rate": (0.1, 0.3, 1.0),
    "max_updates_per_step": (1, 5, 10),
    "stop_confidence": (0.5, 0.85, 0.95),
    "prompt_suffix": (", evoking {emotion}", ""),
    "guidance_end": (0.5, 1.0),
    "content_weight": (0.0, 2.0, 10.0),
}
TINY_VAES: tuple[tuple[str, Any], ...] = (("tiny_vae", NO_TINY_VAE),)
DEFAULT = "default"


@dataclass(frozen=True)
class Setting:
    """An arm, its method and the arguments of `load`."""

    arm: Arm
    method: Method
    backbone: Mapping[str, Any] = field(default_factory=dict)


def when_settings(method: Method) -> dict[str, Setting]:
    """Fixed starts, thresholds, and the policy of the method."""
    settings = {DEFAULT: method}
    for share in STARTS:
        settings[f"fixed {share:g}"] = method.replace(timing="fixed", timing_level=share)
    for level in THRESHOLDS:
        settings[f"threshold {level:g}"] = method.replace(timing="threshold", timing_level=level)
    settings["never"] = method.replace(**PLAIN)
    return {name: Setting(arm_of(WHOLE), changed) for name, changed in settings.items()}


def how_settings(method: Method) -> dict[str, Setting]:
    """The given method, with one parameter changed, and with another decoder for the guide."""
    settings = {DEFAULT: method}
    for key, values in HOW.items():
        for value in values:
            settings[f"{key}={value!r}"] = method.replace(**{key: value})
    found = {name: Setting(arm_of(WHOLE), changed) for name, changed in settings.items()}
    for key, value in TINY_VAES:
        found[f"{key}={value!r}"] = Setting(arm_of(WHOLE), method, {key: value})
    return found


def which_settings(method: Method) -> dict[str, Setting]:
    """The two weights of the multi-emotion loss: none, one, both, and both times four."""
    inherent, similar = method.inherent_weight, method.similar_weight
    settings = {DEFAULT: method}
    for name, weights in {
        "without WHICH": (0.0, 0.0),
        "inherent alone": (inherent, 0.0),
        "similar alone": (0.0, similar),
        "4 x WHICH": (4 * inherent, 4 * similar),
    }.items():
        settings[name] = method.replace(inherent_weight=weights[0], similar_weight=weights[1])
    return {name: Setting(arm_of(WHOLE), changed) for name, changed in settings.items()}


SWEEPS = {
    "when": when_settings,
    "how": how_settings,
    "which": which_settings,
}


def sweep(
    weights: Path,
    settings: Mapping[str, Setting],
    tasks: Mapping[str, Sequence[Case]],
    kept: Kept = NOTHING,
    dtype: str = AUTO,
) -> dict[str, Any]:
    """Figures of each setting, also `gain` and `start`, the share of steps before guidance.

    Args:
        dtype: as in `load`.
    """
    examiners, report = Examiners(weights), dict[str, Any]()
    default: dict[str, ArmResult] = {}
    progress = Progress(planned(settings, tasks))
    print(header(), flush=True)
    for name, setting in settings.items():
        models, method = load(weights, dtype=dtype, **setting.backbone), setting.method
        bench = Bench(models, examiners, count(models), method, kept, progress)
        for task, cases in tasks.items():
            result = bench.measured(named(setting.arm, name), cases)
            if name == DEFAULT:
                default[task] = result
            figures = by_task(result)
            if starts := starts_of(result, method):
                figures[task]["start"] = interval(np.array(starts))
            if task in default and name != DEFAULT:
                base = subsets(default[task])
                for subset, values in subsets(result).items():
                    gain = values["right"] - base[subset]["right"]
                    figures[subset]["gain"] = interval(gain)
            report[name] = report.get(name, {}) | figures
            for subset, row in figures.items():
                print(as_row(name, subset, row), flush=True)
    return report


def named(arm: Arm, setting: str) -> Arm:
    """The arm of a setting, which is kept and told of by the name of the setting."""
    return replace(arm, name=f"{arm.name} {setting}")


def planned(settings: Mapping[str, Setting], tasks: Mapping[str, Sequence[Case]]) -> Counter[Work]:
    """The cases that a sweep makes."""
    ahead = Counter[Work]()
    for name, setting in settings.items():
        for task, cases in tasks.items():
            ahead[Work.of(named(setting.arm, name), task)] += len(cases)
    return ahead


def starts_of(result: ArmResult, method: Method) -> list[float]:
    """The share of steps before guidance, of the samples that were guided."""
    steps = [sample.trace.start_step for sample in result.samples]
    return [step / method.steps for step in steps if step is not None]
