"""Settings of one arm against each other: where `muse` starts, how far `latent` steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from jobs.arms import ARMS, PLAIN, Arm, in_batches, latent
from jobs.cases import Case
from jobs.metrics import Examiners, interval, measure
from jobs.tables import as_row, header
from muse.method import Method

STARTS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6)
PLATEAU = 0.02
SIZES = (0.05, 0.1, 0.2, 0.4)


def when_settings(method: Method) -> dict[str, tuple[Arm, Method]]:
    """Fixed starts, and the policies; the method's own policy at the method's own level."""
    levels = {"threshold": Method.timing_level, "plateau": PLATEAU, method.timing: method.timing_level}
    settings = {f"fixed {share:g}": replace(method, timing="fixed", timing_level=share) for share in STARTS}
    settings |= {name: replace(method, timing=name, timing_level=level) for name, level in levels.items()}
    settings["never"] = replace(method, **PLAIN)
    return {name: (ARMS["muse"], changed) for name, changed in settings.items()}


def latent_settings(method: Method) -> dict[str, tuple[Arm, Method]]:
    """Step sizes of the `latent` arm."""
    return {f"size {size:g}": (partial(latent, size=size), method) for size in SIZES}


SWEEPS = {"when": when_settings, "latent": latent_settings}


def sweep(
    weights: Path, settings: Mapping[str, tuple[Arm, Method]], tasks: Mapping[str, Sequence[Case]]
) -> dict[str, Any]:
    """The figures of each setting, and `start`, the mean share of the steps done where guidance set in."""
    examiners, found = Examiners(weights), dict[str, Any]()
    print(header(), flush=True)
    for name, (make, method) in settings.items():
        for task, cases in tasks.items():
            done = measure(examiners, cases, in_batches(make, weights, method, cases))
            starts = [s.trace.start_step / method.steps for s in done.samples if s.trace.start_step is not None]
            told = done.figures() | ({"start": interval(np.array(starts))} if starts else {})
            found.setdefault(name, {})[task] = told
            print(as_row(name, task, told), flush=True)
    return found
