"""How long requests took a worker, from the log of a run or of a trial."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from muse.diffusion.compiling import AUTO, MIN_STEPS, ON
from pipeline.config import Config, as_dict
from pipeline.config_models import with_current_values
from pipeline.errors import UserError
from pipeline.output.run.run_file import as_stored, read_run
from pipeline.storage.files import Location, read_json
from pipeline.storage.log import read_log, reports_among
from pipeline.terminal import percent

RELEVANT = (
    "engine",
    "model",
    "guide",
    "judge",
    "dtype",
    "memory",
    "tiny_vae",
    "vae_tiling",
    "compile",
    "fitted_tokens",
    "method",
    "candidates",
    "batch_size",
    "width",
    "height",
    "resize",
    "threads",
    "gpus_per_worker",
)
"""Settings on which the time of a request depends."""


TRIAL_FILE, CORPUS = "trial.json", "corpus"
"""Of a trial's folder: its figures, and the output of its run."""
CORES = "cores"
"""The figure of a trial that tells how many cores its machine had."""


@dataclass(frozen=True)
class Measurement:
    """What a finished or an unfinished run took.

    Attributes:
        source: where it was read.
        seconds: of a worker for one request, in each batch.
        start_seconds: from the process of a worker to its first batch; the median.
        requests: how many requests were measured.
        on_gpu: whether the workers had GPUs.
        caveats: in what it differs from the run that is planned, a sentence each.
    """

    source: str
    seconds: Sequence[float]
    start_seconds: float
    requests: int
    on_gpu: bool
    caveats: Sequence[str] = ()


def corpus_of(output: Location) -> Location:
    """The output of a run that is given, or the one inside the folder of a trial that is given."""
    return output / CORPUS if (output / TRIAL_FILE).exists() else output


def trial_cores(folder: Location) -> int:
    """How many cores the machine of a trial had; 0 for a trial that an older version made.

    Raises:
        UserError: the file with its figures is damaged.
    """
    figures = read_json(folder / TRIAL_FILE)
    cores = figures.get(CORES, 0) if isinstance(figures, dict) else None
    if type(cores) is not int or cores < 0:
        raise UserError(f"{folder / TRIAL_FILE} is damaged; make the trial again")
    return cores


def measurement(output: Location, config: Config, tasks: Mapping[str, int]) -> Measurement:
    """Read from an output what its requests took.

    Args:
        output: of a run or a trial, finished or not.
        config: of the run that is planned.
        tasks: its requests by task.

    Raises:
        UserError: not the output of a run, or no batch of it is finished.
    """
    run = read_run(output)
    entries = read_log(output).entries
    # A batch that was made twice counts once.
    batches = {entry["batch"]: entry for entry in reports_among(entries)}
    seconds, requests = [], 0
    for entry in batches.values():
        made = sum(entry["statuses"].values())
        if made and entry["seconds"] > 0:
            seconds.append(entry["seconds"] / made)
            requests += made
    if not seconds:
        raise UserError(
            f"{output}: no batch was made there that a forecast could be taken from; "
            "`muse-batch try` makes a few images to measure"
        )
    ready = [entry for entry in entries if entry.get("event") == "ready"]
    starts = [entry["imports"] + entry["models"] for entry in ready]
    on_gpu = any(entry["device"] != "cpu" for entry in ready)
    caveats = [*_other_settings(run.config, config), *_other_tasks(run.counts, tasks)]
    if on_gpu and _may_compile(config, tasks) and not any(map(_has_compiled, ready)):
        caveats.append('it did not compile, as compile = "auto" may here, which is then faster')
    start = statistics.median(starts) if starts else 0.0
    return Measurement(str(output), tuple(seconds), start, requests, on_gpu, tuple(caveats))


def _other_settings(measured: Mapping[str, Any], planned: Config) -> list[str]:
    stored, default = as_stored(as_dict(planned)), as_stored(as_dict(Config()))
    # Settings that have come since an older run was made had their defaults there.
    known = {**default, **with_current_values(measured)}
    known["method"] = {**default["method"], **measured.get("method", {})}
    different = [name for name in RELEVANT if known.get(name) != stored.get(name)]
    return [f"it was measured with another {name}" for name in different]


def _may_compile(config: Config, tasks: Mapping[str, int]) -> bool:
    """Whether a run on GPUs is long enough for `compile = "auto"`."""
    return config.compile == AUTO and sum(tasks.values()) * config.method.steps >= MIN_STEPS


def _has_compiled(ready: Mapping[str, Any]) -> bool:
    return str(ready.get("compiling", "")).startswith(ON)


def _other_tasks(counts: Mapping[str, Any] | None, tasks: Mapping[str, int]) -> list[str]:
    """A sentence where the share of edits, which take longer, is another one."""
    measured = (counts or {}).get("tasks", {})
    shares = [_share(measured), _share(tasks)]
    if measured and abs(shares[0] - shares[1]) > 0.1:
        return [f"{percent(shares[0])} of its requests were edits, here {percent(shares[1])} are"]
    return []


def _share(tasks: Mapping[str, int]) -> float:
    return tasks.get("edit", 0) / max(1, sum(tasks.values()))
