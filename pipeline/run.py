"""One run, from a manifest to an indexed corpus. The same call again resumes it."""

from __future__ import annotations

import posixpath
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from manifests.check import ManifestError, Problem
from manifests.read import Manifest, check, content_hash, rows_of
from pipeline.config import EMBEDDED, Config
from pipeline.errors import RunStopped, UserError
from pipeline.generation.samples import provenance
from pipeline.generation.worker import Job
from pipeline.models.locate import Model, locate
from pipeline.output import batches, index
from pipeline.output.markers import damaged_shards
from pipeline.output.records import record_schema
from pipeline.output.run_file import (
    RunFile,
    describe,
    examine_output,
    known_manifest,
    read_run,
    write_run,
)
from pipeline.output.shards import publisher_of
from pipeline.planning import plan
from pipeline.scheduling.driver import compute
from pipeline.scheduling.executor import Executor, executor_for
from pipeline.storage.files import (
    Location,
    clear_temporaries,
    fetched,
)
from pipeline.storage.lease import Lease
from pipeline.storage.remote import is_url, public

ROUNDS = 3
"""How often a batch is made again whose file turns out to be damaged."""


@dataclass(frozen=True)
class Outcome:
    """How a run ended: its counts, and whether it was complete before this call."""

    counts: Mapping[str, Any]
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


def vocabulary_warning(manifest: Manifest, config: Config) -> str | None:
    """Which prompts hold words that the embedded model was never taught; None if another model is used."""
    if config.model != EMBEDDED or config.engine == "null":
        return None
    from muse.mini.vocabulary import description, unknown_words

    count, strange = 0, []
    for row in rows_of(manifest, config.taxonomy.labels):
        if words := unknown_words(row.prompt):
            count += 1
            strange += [f"row {row.number}: {', '.join(words)}"] if count <= 10 else []
    if not strange:
        return None
    shown = "; ".join(strange)
    more = f"; and {count - 10} more rows" if count > 10 else ""
    return f"{count} prompt(s) have unknown words, which it will ignore ({shown}{more}). {description()}"


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
    described = replace(describe(manifest, sha256, config, models), manifest=public(manifest_path))
    run = examine_output(output, described, adopt)
    if not run.complete:
        with Lease(output) as lease:
            # Read again: the driver that had the lease before may have finished meanwhile.
            run = examine_output(output, described, adopt)
            if not run.complete:
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
    assert run.counts is not None
    return Outcome(run.counts, already_done=True)


def _work(
    manifest: Manifest,
    base: str,
    output: Location,
    config: Config,
    models: Mapping[str, Model],
    run: RunFile,
    lease: Lease,
    warn: Callable[[str], None],
    executor: Executor,
) -> Outcome:
    """Everything from the first batch that is missing to the index."""
    write_run(output, run)
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
    planned = -(-plan.planned_requests(manifest, config) // config.batch_size)
    pieces: Counter[int] = Counter()
    for _ in range(ROUNDS):
        pieces += compute(manifest, job, publisher, lease, read_run(output), executor)
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
    counts = index.conclude(output, read_run(output), schema, publisher.finish())
    for number in batches.finished_batches(output):
        batches.remove_batch(output, number)
    return Outcome(counts)
