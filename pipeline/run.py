"""One run, from a manifest to an indexed corpus. The same call again resumes it."""

from __future__ import annotations

import json
import posixpath
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from manifests.check import ManifestError, Problem
from manifests.read import Manifest, check, content_hash, extra_columns, rows_of
from pipeline.config import EMBEDDED, Config, as_dict, decisive
from pipeline.errors import RunStopped, UserError
from pipeline.generation import scores
from pipeline.generation.samples import provenance, versions
from pipeline.generation.worker import Job
from pipeline.models.locate import Model, is_same_judge, locate
from pipeline.output import batches, index
from pipeline.output.records import record_schema
from pipeline.output.shards import Publisher, file_of, markers, publisher_of, shard_folder, shown
from pipeline.planning import plan
from pipeline.scheduling.driver import RUN_FILE, compute, planned_requests
from pipeline.scheduling.executor import Executor, executor_for
from pipeline.storage.files import (
    Location,
    clear_temporaries,
    fetched,
    listing,
    read_json,
    sha256_file,
    size_of,
    write_json,
)
from pipeline.storage.lease import Lease
from pipeline.storage.remote import is_url, public

ROUNDS = 3
"""How often a batch is made again whose file turns out to be damaged."""


@dataclass(frozen=True)
class Outcome:
    """How a run ended: its counts, and whether it was complete before this call."""

    counts: dict[str, Any]
    already_done: bool = False


@contextmanager
def fetched_manifest(path: str, store_timeout_s: float) -> Iterator[str]:
    """A local path with the manifest's content; what is wrong with it is told under its own name."""
    try:
        with fetched(path, store_timeout_s) as local:
            yield local
    except ManifestError as error:
        raise ManifestError(public(path), error.problems, error.more) from None
    except FileNotFoundError as error:
        if not is_url(path):
            raise
        raise ManifestError(
            public(path),
            [Problem(None, None, f"cannot be opened ({public(str(error))}); check the URL")],
        ) from None


def folder_of(path: str) -> str:
    """The folder that relative image paths of a manifest refer to."""
    return posixpath.dirname(path) if "://" in path else str(Path(path).resolve().parent)


def read_run(output: Location) -> dict[str, Any]:
    """`run.json` of an output.

    Raises:
        UserError: not the output of a run, or damaged.
    """
    file = output / RUN_FILE
    if not file.exists():
        raise UserError(f"{output} is not the output of a run: it has no {RUN_FILE}")
    run = read_json(file)
    if (
        not isinstance(run, dict)
        or not {"fingerprint", "parts", "config", "requests", "complete"} <= run.keys()
    ):
        raise UserError(f"{file} is damaged: it does not describe a run; restore it from a copy")
    return run


def examine_output(output: Location, run: dict[str, Any], adopt: bool = False) -> dict[str, Any]:
    """The run to work on: this one, or what lies in the output already.

    Args:
        adopt: continue a run in spite of differences that cannot change its bytes; it keeps its own description.

    Raises:
        UserError: the folder holds something else, or a run under another fingerprint (with the difference).
    """
    file = output / RUN_FILE
    if not file.exists():
        strange = output.exists() and (
            not output.is_dir() or any(path.name != "_state" for path in output.iterdir())
        )
        if strange:
            raise UserError(
                f"--output {output} exists and is not a muse-batch run; give a new or empty folder"
            )
        return run
    before = read_run(output)
    if before["fingerprint"] == run["fingerprint"]:
        return before
    lines = plan.difference(before["parts"], run["parts"])
    harmful = [line for line in lines if not plan.is_harmless(line, before["parts"], run["parts"])]
    if adopt and not harmful:
        return {**before, "adopted": [*before.get("adopted", []), *lines]}
    if adopt:
        told, remedy = harmful, "--adopt is for differences that cannot change the images"
    else:
        told, remedy = (
            lines,
            "" if harmful else "none of it can change the images: --adopt continues the run",
        )
    shown = "\n  ".join(told)
    raise UserError(
        f"{output} holds a run with other settings:\n  {shown}\n"
        + (f"{remedy}; or " if remedy else "")
        + "go back to those to resume it, or give another --output"
    )


def vocabulary_warning(manifest: Manifest, config: Config) -> str | None:
    """Which prompts hold words that the embedded model was never taught; None if another model is used."""
    if config.model != EMBEDDED or config.engine == "null":
        return None
    from muse.mini.vocabulary import told, unknown_words

    count, strange = 0, []
    for row in rows_of(manifest, config.taxonomy.labels):
        if words := unknown_words(row.prompt):
            count += 1
            strange += [f"row {row.number}: {', '.join(words)}"] if count <= 10 else []
    if not strange:
        return None
    shown = "; ".join(strange)
    more = f"; and {count - 10} more rows" if count > 10 else ""
    return f"{count} prompt(s) have unknown words, which it will ignore ({shown}{more}). {told()}"


def describe(
    manifest: Manifest, sha256: str, config: Config, models: Mapping[str, Model]
) -> dict[str, Any]:
    """`run.json` as it is before anything was made: the settings, and the fingerprint with its parts."""
    parts = {
        "manifest": {"sha256": sha256},
        "config": decisive(config),
        "models": {
            role: {"name": model.name, "sha256": model.sha256} for role, model in models.items()
        },
        "versions": versions(),
        **({"filters": scores.providers(config)} if config.filters else {}),
    }
    # As run.json gives it back, tuples as lists and keys in order: a resumed run compares equal and writes the same.
    parts = json.loads(json.dumps(parts, sort_keys=True))
    return {
        "fingerprint": plan.fingerprint(parts),
        "parts": parts,
        "config": as_dict(config),
        "same_judge": is_same_judge(models),
        "manifest": manifest.path,
        "rows": manifest.rows,
        "requests": planned_requests(manifest, config),
        "complete": False,
    }


def known_manifest(path: str, sha256: str, config: Config, output: Location) -> Manifest | None:
    """The manifest as it was checked when the run in `output` began, or None if that was another, or read otherwise.

    To check ten million rows takes a minute; to resume a run must not.
    """
    file = output / RUN_FILE
    before = read_json(file) if file.exists() else None
    # A file that says anything else is damaged, which `read_run` tells.
    if not isinstance(before, dict) or not isinstance(parts := before.get("parts"), dict):
        return None
    rows, requests = before.get("rows"), before.get("requests")
    if not isinstance(rows, int) or not isinstance(requests, int):
        return None
    now = {"manifest": {"sha256": sha256}, "config": decisive(config), "versions": versions()}
    if any(parts.get(key) != value for key, value in json.loads(json.dumps(now)).items()):
        return None
    return Manifest(path, rows, requests, extra_columns(path))


def execute(
    manifest_path: str,
    output: Location,
    config: Config,
    warn: Callable[[str], None],
    adopt: bool = False,
    executor: Executor | None = None,
) -> Outcome:
    """Run, or resume. `warn` hears of what is odd but no error.

    Raises:
        ManifestError, UserError: something for the user to mend, before any model is loaded.
        RunStopped: the run cannot go on; the same command resumes it.
        KeyboardInterrupt: interrupted; what is finished is saved.
    """
    with fetched_manifest(manifest_path, config.store_timeout_s) as local:
        return _execute(
            manifest_path, local, output, config, warn, adopt, executor or executor_for(config)
        )


def _execute(
    manifest_path: str,
    local: str,
    output: Location,
    config: Config,
    warn: Callable[[str], None],
    adopt: bool,
    executor: Executor,
) -> Outcome:
    sha256 = content_hash(local)
    known = known_manifest(local, sha256, config, output)
    manifest = known or check(local, config.taxonomy.labels, len(config.emotions))
    if config.quota and config.quota_by not in ("emotion", *manifest.extra.names):
        known_columns = ", ".join(("emotion", *manifest.extra.names))
        raise UserError(
            f"quota_by is {config.quota_by!r}, which is no further column of the manifest; choose {known_columns}"
        )
    models = locate(config)
    if known is None and (warning := vocabulary_warning(manifest, config)):
        warn(warning)
    described = describe(manifest, sha256, config, models) | {"manifest": public(manifest_path)}
    run = examine_output(output, described, adopt)
    if not run["complete"]:
        with Lease(output) as lease:
            # Read again: the driver that had the lease before may have finished meanwhile.
            run = examine_output(output, described, adopt)
            if not run["complete"]:
                return _work(
                    manifest,
                    folder_of(manifest_path),
                    output,
                    config,
                    models,
                    run,
                    lease,
                    warn,
                    executor,
                )
    for line in damaged_shards(output):
        warn(f"{line}; `muse-batch verify {output}` tells all, --output elsewhere makes it anew")
    return Outcome(run["counts"], already_done=True)


def _work(
    manifest: Manifest,
    base: str,
    output: Location,
    config: Config,
    models: Mapping[str, Model],
    run: dict[str, Any],
    lease: Lease,
    warn: Callable[[str], None],
    executor: Executor,
) -> Outcome:
    """Everything from the first batch that is missing to the index."""
    write_json(output / RUN_FILE, run)
    shared = provenance(run, config)
    schema = record_schema(shared, manifest.extra, config.filters)
    clear_temporaries(output)
    if damage := list(damaged_shards(output)):
        raise UserError(
            "\n  ".join([f"{output} has damaged shards:", *damage])
            + "\nput them back from a copy; or remove the .json of the first: it and those after it are made again"
        )
    publisher = publisher_of(output, config, schema)

    job = Job(output.resolve(), config, models, shared, schema, base)
    planned = -(-planned_requests(manifest, config) // config.batch_size)
    pieces: Counter[int] = Counter()
    for _ in range(ROUNDS):
        pieces += compute(manifest, job, publisher, lease, run, executor)
        publisher.advance()
        if publisher.next.batch == planned:
            break
        # A file was damaged after it had been written: that batch is made again.
    else:
        raise RunStopped(
            f"{batches.folder(output)}: batch {publisher.next.batch} does not come back as it was written"
        )
    if pieces:
        warn(
            f"{sum(pieces.values())} batch(es) were too large and were made in pieces of {sorted(pieces)}, as column "
            f"`together` tells; with more memory their bytes may differ, with --batch-size {min(pieces)} they cannot"
        )
    counts = conclude(output, run, publisher)
    for number in batches.finished_batches(output):
        batches.remove_batch(output, number)
    return Outcome(counts)


def conclude(output: Location, run: dict[str, Any], publisher: Publisher) -> dict[str, Any]:
    """The last shard and the index, then `run.json` as that of a complete corpus; returns the counts."""
    index.write_metadata(output, publisher.schema, publisher.finish())
    labels = run["config"]["taxonomy"]["labels"]
    counts = index.tally(output, labels)
    index.write_card(output, run, counts)
    index.write_contact_sheet(output, labels)
    write_json(output / RUN_FILE, {**run, "complete": True, "counts": counts})
    return counts


def damaged_shards(output: Location) -> Iterator[str]:
    """What is wrong with the shards, as far as names, sizes and the small files tell; `verify` reads the tars, too."""
    known = markers(output)
    for number, path in enumerate(listing(shard_folder(output), "*.json")):
        if path.name != f"{number:05d}.json":
            yield f"shards/{number:05d}.json: is missing, and later shards are there"
            return
    for marker in known:
        for name, expected in marker["sha256"].items():
            path = file_of(output, name)
            size, planned = size_of(path), marker["bytes"].get(name)
            if size is None:
                yield f"{shown(name)}: is missing"
            elif size != planned:
                yield f"{shown(name)}: has {size:,} bytes where {planned} were committed"
            elif name.endswith(".parquet") and sha256_file(path) != expected:
                yield f"{shown(name)}: its content is not what was committed (SHA-256 differs)"
