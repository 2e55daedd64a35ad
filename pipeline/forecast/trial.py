"""A few images of a manifest, made with the real models in this process: `muse-batch try`."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from manifests.read import rows_of
from manifests.rows import table_of
from pipeline.config import Config
from pipeline.errors import UserError
from pipeline.execute import execute
from pipeline.forecast.batch_size import fitting_settings
from pipeline.forecast.forecast import duration
from pipeline.forecast.memory import MemoryUse, Meter
from pipeline.forecast.rates import CORES, CORPUS, TRIAL_FILE
from pipeline.index.metadata import METADATA_FILE
from pipeline.output.records import from_parquet
from pipeline.planning.checks.unused_settings import EDIT_ONLY
from pipeline.planning.manifest_input import (
    OnProgress,
    checked_manifest,
    fetched_manifest,
    folder_of,
    no_progress,
)
from pipeline.planning.plan import PlannedRequest, plan_requests, planned_requests
from pipeline.planning.row_warnings import RowWarnings
from pipeline.report.build import REPORT_FILE, write_report
from pipeline.scheduling.executors.local_executor import LocalExecutor
from pipeline.storage.files import Location, write_json
from pipeline.storage.log import read_log
from pipeline.storage.regular import read_file
from pipeline.storage.remote import Remote, is_url
from pipeline.storage.targets import refuse_target

BOTH = "both"
"""In the place of a task: a batch had requests of both."""

MANIFEST = "manifest.parquet"
"""The requests of a trial, in its folder."""

OF_TASKS = {BOTH: "in a batch of both tasks"}
"""How `seconds` are named, where not by the task."""

MAX_SEARCHED = 100_000
"""Requests of the plan that are searched for one of each emotion."""


@dataclass(frozen=True)
class Trial:
    """What a trial showed.

    Attributes:
        rows: the metadata of its requests.
        seconds: for one request, by task; under `both` where a batch had requests of both.
        start_seconds: to load the models.
        memory: of its largest batch.
        level, dtype, compiling: how the worker placed the diffusion model
            (`muse.diffusion.memory`), and whether it compiled it (`muse.diffusion.compiling`);
            empty for the null engine.
        fitting: the settings of the run that have to differ, so that its batches fit.
        page: the report with the pictures.
    """

    rows: Sequence[Mapping[str, Any]]
    seconds: Mapping[str, float]
    start_seconds: float
    memory: MemoryUse
    page: Path
    level: str = ""
    dtype: str = ""
    compiling: str = ""
    fitting: Mapping[str, int] = field(default_factory=dict)


def run_trial(
    manifest_path: str,
    output: Location,
    config: Config,
    rows: Sequence[int] | None,
    warn: Callable[[str], None],
    on_progress: OnProgress = no_progress,
) -> Trial:
    """Make one request of each emotion and task, or those of some rows, and measure.

    Seeds are those of the plan. The figures are kept in `output`, for `muse-batch plan --from`.

    Args:
        output: a new folder, or one of an earlier trial, which is replaced.
        rows: of the manifest, from 0; None for one request of each emotion.
        on_progress: is called with the number of rows of the manifest that were checked, and of
            all of them.

    Raises:
        ManifestError, UserError: a mistake of the user, found before a model is loaded.
    """
    folder = _replaceable(output)
    # `realpath` bears loops of links; the manifest is refused where it is opened.
    place = Path(os.path.realpath(manifest_path))
    if not is_url(manifest_path) and place.is_relative_to(os.path.realpath(folder)):
        raise UserError(f"{manifest_path} lies in {folder}, which is replaced; move it away")
    with fetched_manifest(manifest_path, config, warn) as local:
        found = RowWarnings(config, folder_of(manifest_path))
        manifest = checked_manifest(local, config, found.add, on_progress=on_progress)
        # Any row may be tried, also behind the requests that a limit leaves.
        wanted = config.replace(limit=0) if rows else config
        planned = plan_requests(rows_of(manifest, config.taxonomy.labels), wanted)
        chosen = _of_rows(planned, rows) if rows else _of_each_emotion(planned)
        if missing := sorted({*(rows or ())} - {request.row for request in chosen}):
            raise UserError(
                f"--rows {','.join(map(str, missing))}: the manifest has {manifest.rows} rows, "
                "counted from 0"
            )
        base = folder_of(manifest_path)
        entries = [_entry(request, base) for request in chosen]
        requests = planned_requests(manifest, config)
        of_rows = found.listed()
    for warning in of_rows:
        warn(warning)
    # An earlier trial is kept until nothing is wrong with what was given for this one.
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    write_json(folder / TRIAL_FILE, {})
    path = folder / MANIFEST
    pq.write_table(table_of(entries), path)

    of_trial = _settings_of_trial(config, chosen)
    meter = Meter(_uses_gpu(config))
    executor = LocalExecutor(before_task=lambda _: meter.note_models())
    execute(str(path), folder / CORPUS, of_trial, warn, executor=executor, warn_of_rows=False)
    # No more are made together than there are slots.
    memory = meter.use(min(of_trial.batch_size, config.slots or of_trial.batch_size))
    trial = replace(_finished(folder, memory), fitting=fitting_settings(config, memory, requests))
    write_report(folder / CORPUS, str(path), measured=facts_of(trial, config))
    return trial


def facts_of(trial: Trial, config: Config) -> dict[str, str]:
    """What a trial took, and what follows for a run with the settings, in words."""
    memory, gib = trial.memory, 1 << 30
    facts = {}
    for task, seconds in trial.seconds.items():
        facts[f"seconds an image, {OF_TASKS.get(task, task)}"] = f"{seconds:.2f}"
    facts["loading the models"] = duration(trial.start_seconds)
    facts["peak memory"] = (
        f"{memory.peak / gib:.2f} of {memory.total / gib:.1f} GiB ({memory.device}), "
        f"{memory.models / gib:.2f} of it by the models"
    )
    if trial.level:
        facts["memory setting"] = f"{trial.level}, with weights in {trial.dtype}"
        facts["compiling"] = trial.compiling
    facts["batch size that fits"] = f"{memory.fits:,} images, computed from this peak"
    if trial.fitting:
        ((name, value),) = trial.fitting.items()
        before = getattr(config, name)
        facts[f"{name} of the run"] = f"{value} instead of {before}, so that its batches fit"
    else:
        facts["batch_size of the run"] = f"{config.batch_size}, as it was"
    return facts


def _settings_of_trial(config: Config, chosen: Sequence[PlannedRequest]) -> Config:
    """The settings without those that none of the requests needs."""
    # Batches of one task each, as far as possible, so that each task is timed by itself.
    edits = sum(request.image is not None for request in chosen)
    size = max(1, min(config.batch_size, (len(chosen) - edits) or edits))
    settings = {"limit": 0, "quota": 0, "keep_rejected": True, "batch_size": size, "workers": 1}
    # Its rows name their emotions, there is no quota, and there may be no edit. It has an executor
    # of its own, of which nothing that the run's does not read need be said.
    kept = config.model_fields_set - {"emotions", "quota_by", "executor"}
    kept -= set() if edits else {*EDIT_ONLY}
    given = {name: getattr(config, name) for name in kept}
    return Config(**{**given, **settings})


def _replaceable(output: Location) -> Path:
    """The folder of the trial: a new one, or one that holds an earlier trial and nothing else.

    Raises:
        UserError: it is another one.
    """
    if isinstance(output, Remote):
        raise UserError(f"{output}: a trial is made on this machine; give a local folder")
    if output.is_symlink():
        raise UserError(f"{output} is a link; give a folder")
    refuse_target(output)
    if not output.exists():
        return output
    if not (output / TRIAL_FILE).is_file():
        raise UserError(f"{output} exists and is no trial; give another --output")
    foreign = sorted({path.name for path in output.iterdir()} - {TRIAL_FILE, MANIFEST, CORPUS})
    if foreign:
        raise UserError(
            f"{output} is replaced by a new trial, but holds {foreign[0]!r}, which is not of a "
            "trial; move that away or give another --output"
        )
    return output


def _uses_gpu(config: Config) -> bool:
    if config.engine == "null" or config.gpus_per_worker == 0:
        return False
    import torch

    return torch.cuda.is_available()


def _of_each_emotion(planned: Iterable[PlannedRequest]) -> list[PlannedRequest]:
    """The first request of each emotion and task, those that generate first."""
    found: dict[tuple[bool, tuple[str, ...]], PlannedRequest] = {}
    for number, request in enumerate(planned):
        if number == MAX_SEARCHED:
            break
        found.setdefault((request.image is not None, tuple(request.emotion)), request)
    return sorted(found.values(), key=lambda request: request.image is not None)


def _of_rows(planned: Iterable[PlannedRequest], rows: Sequence[int]) -> list[PlannedRequest]:
    wanted = set(rows)
    return [request for request in planned if request.row in wanted]


def _entry(request: PlannedRequest, base: str) -> dict[str, Any]:
    """A row of the trial's manifest, with the seed of the plan."""
    return {
        "prompt": request.prompt,
        "negative_prompt": request.negative_prompt,
        "emotion": request.emotion,
        "seed": request.seed,
        "image": _absolute(request.image, base),
        "mask": _absolute(request.mask, base),
        "width": request.size and request.size.width,
        "height": request.size and request.size.height,
    }


def _absolute(source: str | bytes | None, base: str) -> str | bytes | None:
    """An image or a mask as any folder may name it."""
    if not isinstance(source, str) or is_url(source):
        return source
    return f"{base}/{source}" if is_url(base) else str(Path(base, source).absolute())


def _finished(folder: Path, memory: MemoryUse) -> Trial:
    """The figures of a trial whose run is complete; they are kept beside it."""
    corpus = folder / CORPUS
    rows = from_parquet(read_file(corpus / METADATA_FILE)).to_pylist()
    entries = read_log(corpus).entries
    seconds = dict(_seconds_by_task(entries, rows))
    ready = next((entry for entry in entries if entry.get("event") == "ready"), None)
    if ready is None or not seconds:
        raise UserError(f"{corpus}: its log was damaged meanwhile; make the trial again")
    figures = {"seconds": seconds, "start_seconds": ready["models"], "memory": memory.as_json()}
    figures[CORES] = os.cpu_count() or 0
    write_json(folder / TRIAL_FILE, figures)
    placed = [ready.get(key, "") for key in ("memory", "dtype", "compiling")]
    return Trial(rows, seconds, ready["models"], memory, corpus / REPORT_FILE, *placed)


def _seconds_by_task(
    entries: Iterable[Mapping[str, Any]], rows: Sequence[Mapping[str, Any]]
) -> Iterator[tuple[str, float]]:
    """The seconds of one request, from the batches of each task."""
    totals: dict[str, list[float]] = {}
    for entry in entries:
        made = [row for row in rows if row["batch"] == entry.get("batch")]
        if not made:
            continue
        tasks = {row["task"] for row in made}
        total = totals.setdefault(tasks.pop() if len(tasks) == 1 else BOTH, [0.0, 0])
        total[0] += entry["seconds"]
        total[1] += len(made)
    for task, (seconds, requests) in totals.items():
        yield task, seconds / requests
