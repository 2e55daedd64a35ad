"""One run, from a manifest to an indexed corpus. The same call again resumes it."""

from __future__ import annotations

import hashlib
import json
import posixpath
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import fsspec

from manifests.check import ManifestError, Problem
from manifests.read import Manifest, check, rows_of
from muse.emotions import MIKELS
from pipeline import batches, index, plan
from pipeline.config import EMBEDDED, Config, as_dict, decisive
from pipeline.errors import RunStopped, UserError
from pipeline.log import Log
from pipeline.models import Model, locate
from pipeline.records import record_schema
from pipeline.remote import is_url, public
from pipeline.samples import provenance, versions
from pipeline.shards import Publisher
from pipeline.storage import Place, clear_temporaries, fetched, read_json, write_json

if TYPE_CHECKING:
    from pipeline.worker import Job

RUN_FILE = "run.json"


@dataclass(frozen=True)
class Outcome:
    """How a run ended: its counts, and whether it was complete before this call."""

    counts: dict[str, Any]
    already_done: bool = False


def manifest_hash(path: str) -> str:
    """SHA-256 of the manifest's bytes, read in a stream."""
    digest = hashlib.sha256()
    with fsspec.open(path, "rb") as handle:
        while block := handle.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


@contextmanager
def fetched_manifest(path: str, patience: float) -> Iterator[str]:
    """A local path with the manifest's content; what is wrong with it is told under its own name."""
    try:
        with fetched(path, patience) as local:
            yield local
    except ManifestError as error:
        raise ManifestError(public(path), error.problems, error.more) from None
    except FileNotFoundError as error:
        if not is_url(path):
            raise
        raise ManifestError(public(path), [Problem(None, None, f"cannot be opened ({error}); check the URL")]) from None


def folder_of(path: str) -> str:
    """The folder that relative image paths of a manifest refer to."""
    return posixpath.dirname(path) if "://" in path else str(Path(path).resolve().parent)


def planned_requests(manifest: Manifest, config: Config) -> int:
    return min(manifest.requests, config.limit) if config.limit else manifest.requests


def batches_of(manifest: Manifest, config: Config) -> Iterator[plan.Batch]:
    """The batches of the plan, read from the manifest in a stream."""
    return plan.plan_batches(plan.plan_requests(rows_of(manifest, MIKELS.labels), config), config.batch_size)


def open_output(output: Place, run: dict[str, Any]) -> dict[str, Any]:
    """Claim a new output folder for this run, or find that it is this run's already.

    Raises:
        UserError: the folder holds something else, or a run under another fingerprint (with the difference).
    """
    file = output / RUN_FILE
    if file.exists():
        before = read_json(file)
        if before["fingerprint"] != run["fingerprint"]:
            lines = "\n  ".join(plan.difference(before["parts"], run["parts"]))
            raise UserError(
                f"{output} holds a run with other settings:\n  {lines}\n"
                "go back to those to resume it, or give another --output"
            )
        return before
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise UserError(f"--output {output} exists and is not a muse-batch run; give a new or empty folder")
    try:
        write_json(file, run)
    except OSError as error:
        raise RunStopped(f"cannot write {file}: {error.strerror}; nothing was made") from None
    return run


def vocabulary_warning(manifest: Manifest, config: Config) -> str | None:
    """Which prompts hold words that the embedded model was never taught; None if another model is used."""
    if config.model != EMBEDDED:
        return None
    from muse.mini.vocabulary import told, unknown_words

    strange = [(row.number, words) for row in rows_of(manifest, MIKELS.labels) if (words := unknown_words(row.prompt))]
    if not strange:
        return None
    shown = "; ".join(f"row {number}: {', '.join(words)}" for number, words in strange[:10])
    more = f"; and {len(strange) - 10} more rows" if len(strange) > 10 else ""
    return f"{len(strange)} prompt(s) have unknown words, which it will ignore ({shown}{more}). {told()}"


def describe(manifest: Manifest, config: Config, models: Mapping[str, Model]) -> dict[str, Any]:
    """`run.json` as it is before anything was made: the settings, and the fingerprint with its parts."""
    parts = {
        "manifest": {"sha256": manifest_hash(manifest.path)},
        "config": decisive(config),
        "models": {role: {"name": model.name, "sha256": model.sha256} for role, model in models.items()},
        "versions": versions(),
    }
    # As JSON gives it back: tuples become lists, so that a resumed run compares equal.
    parts = json.loads(json.dumps(parts))
    return {
        "fingerprint": plan.fingerprint(parts),
        "parts": parts,
        "config": as_dict(config),
        "manifest": manifest.path,
        "requests": planned_requests(manifest, config),
        "complete": False,
    }


def execute(manifest_path: str, output: Place, config: Config, warn: Callable[[str], None]) -> Outcome:
    """Run, or resume. `warn` hears of what is odd but no error.

    Raises:
        ManifestError, UserError: something for the user to mend, before any model is loaded.
        RunStopped: the run cannot go on; the same command resumes it.
        KeyboardInterrupt: interrupted; what is finished is saved.
    """
    with fetched_manifest(manifest_path, config.patience) as local:
        return _execute(manifest_path, local, output, config, warn)


def _execute(manifest_path: str, local: str, output: Place, config: Config, warn: Callable[[str], None]) -> Outcome:
    manifest = check(local, MIKELS.labels, len(config.emotions))
    models = locate(config)
    if warning := vocabulary_warning(manifest, config):
        warn(warning)
    run = describe(manifest, config, models) | {"manifest": public(manifest_path)}
    before = open_output(output, run)
    if before["complete"]:
        return Outcome(before["counts"], already_done=True)
    shared = provenance(models, config, run["fingerprint"])
    schema = record_schema(shared, manifest.extra)
    clear_temporaries(output)
    publisher = Publisher(output, config.shard_size, config.image_format, schema)

    from pipeline.worker import Job

    compute(manifest, Job(output.resolve(), config, models, shared, schema, folder_of(manifest_path)), publisher)
    publisher.advance()
    index.write_metadata(output, schema, publisher.finish())
    counts = index.tally(output)
    index.write_card(output, run, counts)
    index.write_contact_sheet(output)
    write_json(output / RUN_FILE, {**run, "complete": True, "counts": counts})
    for number in batches.finished_batches(output):
        batches.remove_batch(output, number)
    return Outcome(counts)


def compute(manifest: Manifest, job: Job, publisher: Publisher) -> None:
    """Have the workers make every batch that is not on disk yet; publish shards as they fill."""
    from pipeline import scheduler
    from pipeline.progress import Progress

    config, output = job.config, job.output
    first, finished = publisher.start.batch, sound_batches(output, publisher.start.batch)

    def is_done(batch: plan.Batch) -> bool:
        return batch.number < first or batch.number in finished

    total = planned_requests(manifest, config)
    already = sum(len(batch.requests) for batch in batches_of(manifest, config) if is_done(batch))
    if already == total:
        return
    try:
        scheduler.connect(config.address)
        size, options = scheduler.worker_options(job)
        size = min(size, -(-(total - already) // config.batch_size))
        with Progress(total, already) as progress, Log(output) as log:

            def done(report: batches.Report) -> None:
                progress.add(report)
                log.add(asdict(report))
                publisher.advance()

            todo = (batch for batch in batches_of(manifest, config) if not is_done(batch))
            scheduler.Pool(job, size, options).run(todo, done)
    finally:
        scheduler.disconnect()


def sound_batches(output: Place, first: int) -> set[int]:
    """Finished batches from `first` on whose files are whole; damaged ones are removed, to be computed again."""
    sound = set()
    for number in batches.finished_batches(output):
        if number >= first and batches.read_batch(output, number) is not None:
            sound.add(number)
        else:
            batches.remove_batch(output, number)
    return sound
