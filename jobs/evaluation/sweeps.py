"""Settings of one arm against each other: when, how and toward what `muse` optimises, how far `latent` steps.

`--sweep how` and `which` change one parameter of the method at a time. Their `gain` is the examiner's success minus
that of the method as given (`default`), request by request: all settings make the same requests from the same noise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from jobs.benchmark.cost import count
from jobs.evaluation.arms import ARMS, PLAIN, Arm, in_batches, latent, load
from jobs.evaluation.cases import Case
from jobs.evaluation.metrics import Examiners, Made, by_task, interval, measure, subsets
from jobs.evaluation.tables import as_row, header
from muse.diffusion.hub import NO_TINY_VAE
from muse.method import Method

COUNT = 48
"""Cases of each task."""
STARTS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6)
PLATEAU, UNCONDITIONAL = 0.02, 0.4
SIZES = (0.05, 0.1, 0.2, 0.4)
HOW: Mapping[str, tuple[Any, ...]] = {
    "warm_start": (False,),
    "tokens": (1, 2, 4),
    "initial_scale": (0.0, 0.5),
    "learning_rate": (0.1, 0.3, 1.0),
    "max_updates_per_step": (1, 5, 10),
    "stop_confidence": (0.5, 0.85, 0.95),
    "prompt_suffix": (", evoking {emotion}", ""),
    "guidance_end": (0.5, 1.0),
}
TINY_VAES: tuple[tuple[str, Any], ...] = (("tiny_vae", NO_TINY_VAE),)
DEFAULT = "default"


@dataclass(frozen=True)
class Setting:
    """An arm with a method, and what its models are loaded with."""

    arm: Arm
    method: Method
    backbone: Mapping[str, Any] = field(default_factory=dict)


def when_settings(method: Method) -> dict[str, Setting]:
    """Fixed starts, and the policies; the method's own policy at the method's own level."""
    levels = {
        "threshold": Method().timing_level,
        "unconditional_threshold": UNCONDITIONAL,
        "plateau": PLATEAU,
    }
    levels |= {method.timing: method.timing_level}
    settings = {
        f"fixed {share:g}": method.replace(timing="fixed", timing_level=share) for share in STARTS
    }
    settings |= {
        name: method.replace(timing=name, timing_level=level) for name, level in levels.items()
    }
    settings["never"] = method.replace(**PLAIN)
    return {name: Setting(ARMS["muse"], changed) for name, changed in settings.items()}


def latent_settings(method: Method) -> dict[str, Setting]:
    """Step sizes of the `latent` arm."""
    return {f"size {size:g}": Setting(partial(latent, size=size), method) for size in SIZES}


def how_settings(method: Method) -> dict[str, Setting]:
    """The method as it is, with one parameter changed, and with other decoders for what the guide reads on the way."""
    settings = {DEFAULT: method}
    settings |= {
        f"{key}={value!r}": method.replace(**{key: value})
        for key, values in HOW.items()
        for value in values
    }
    found = {name: Setting(ARMS["muse"], changed) for name, changed in settings.items()}
    for key, value in TINY_VAES:
        found[f"{key}={value!r}"] = Setting(ARMS["muse"], method, {key: value})
    return found


def which_settings(method: Method) -> dict[str, Setting]:
    """The two weights of the multi-emotion loss, and neither, one or both of them several times as heavy."""
    inherent, similar = method.inherent_weight, method.similar_weight
    settings = {DEFAULT: method}
    for name, weights in {
        "without WHICH": (0.0, 0.0),
        "inherent alone": (inherent, 0.0),
        "similar alone": (0.0, similar),
        "4 x WHICH": (4 * inherent, 4 * similar),
    }.items():
        settings[name] = method.replace(inherent_weight=weights[0], similar_weight=weights[1])
    return {name: Setting(ARMS["muse"], changed) for name, changed in settings.items()}


SWEEPS = {
    "when": when_settings,
    "how": how_settings,
    "which": which_settings,
    "latent": latent_settings,
}


def sweep(
    weights: Path, settings: Mapping[str, Setting], tasks: Mapping[str, Sequence[Case]]
) -> dict[str, Any]:
    """The figures of each setting, `start`, the mean share of the steps done where guidance set in, and `gain`."""
    examiners, found = Examiners(weights), dict[str, Any]()
    default: dict[str, Made] = {}
    print(header(), flush=True)
    for name, setting in settings.items():
        models, method = load(weights, **setting.backbone), setting.method
        costs = count(models)
        for task, cases in tasks.items():
            ran = in_batches(setting.arm, models, method, cases)
            done = measure(examiners, cases, ran, costs.each(ran[1], method, task == "editing"))
            starts = [
                s.trace.start_step / method.steps
                for s in done.samples
                if s.trace.start_step is not None
            ]
            if name == DEFAULT:
                default[task] = done
            for apart, told in by_task(done).items():
                if starts and apart == task:
                    told["start"] = interval(np.array(starts))
                if task in default and name != DEFAULT:
                    mine, others = (
                        subsets(made)[apart]["success_examiner"] for made in (done, default[task])
                    )
                    told["gain"] = interval(mine - others)
                found.setdefault(name, {})[apart] = told
                print(as_row(name, apart, told), flush=True)
    return found
