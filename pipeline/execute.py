"""The way of a run, from a manifest to an indexed corpus. The same call again resumes it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from manifests.read import Manifest, content_hash, file_identity
from muse.diffusion.compiling import Workload
from muse.diffusion.files.tiny_decoders import absence_warnings
from pipeline.classifier.quality import classifier_warnings
from pipeline.config import Config
from pipeline.corpora.retry import finish_reopening
from pipeline.generation.worker import Job
from pipeline.index.build import clear_leftovers, conclude
from pipeline.models.locate import Model, locate
from pipeline.models.method_fit import model_warnings
from pipeline.models.roles import CLASSIFIERS
from pipeline.output.contents import contents_of
from pipeline.output.integrity import TAR, refuse_damage, refuse_damaged_shards
from pipeline.output.records import record_schema
from pipeline.output.run.examine import examine_output, refuse_other_run, settings_to_resume
from pipeline.output.run.extend import extend
from pipeline.output.run.run_file import (
    RUN_FILE,
    RunFile,
    describe,
    known_manifest,
    read_run,
    write_run,
)
from pipeline.planning.checks.placement import check_placement
from pipeline.planning.checks.unused_settings import unused_settings
from pipeline.planning.manifest_input import (
    OnProgress,
    check_quota_column,
    checked_manifest,
    fetched_manifest,
    folder_of,
    has_images,
    has_sizes,
    no_progress,
)
from pipeline.planning.row_warnings import RowWarnings
from pipeline.scheduling.driver import make_shards
from pipeline.scheduling.executors.executor import Executor
from pipeline.scheduling.executors.executor_choice import executor_for
from pipeline.storage.addresses import public
from pipeline.storage.files import Location, clear_temporaries
from pipeline.storage.lease import Lease
from pipeline.storage.targets import refuse_place

Warn = Callable[[str], None]


@dataclass(frozen=True)
class Outcome:
    """How a run ended.

    Attributes:
        counts: requests by status, and more; as in `run.json`.
        already_done: whether it was complete before this call.
    """

    counts: Mapping[str, Any]
    already_done: bool = False


def execute(
    manifest_path: str,
    output: Location,
    config: Config,
    warn: Warn,
    adopt: bool = False,
    executor: Executor | None = None,
    warn_of_rows: bool = True,
    on_progress: OnProgress = no_progress,
) -> Outcome:
    """Run, or resume.

    Args:
        warn: is called with what is odd but no error.
        adopt: resume in spite of differences that cannot change the images.
        executor: what runs the workers; by default, what the settings name.
        warn_of_rows: whether that includes what is odd about the rows of the manifest.
        on_progress: is called with the number of rows of the manifest that were checked, and of
            all of them.

    Raises:
        ManifestError, UserError: a mistake of the user, found before any model is loaded.
        RunStopped: the run cannot go on; the same call resumes it.
        KeyboardInterrupt: interrupted; what was finished is saved.
    """
    refuse_place(output)
    check_placement(config)
    config = settings_to_resume(output, config)
    with fetched_manifest(manifest_path, config, warn) as local:
        # Check the manifest. One that was checked when this run began is not parsed again.
        identity = file_identity(local)
        sha256 = content_hash(local)
        known = known_manifest(local, sha256, config, output)
        if known is None and (output / RUN_FILE).exists():
            # What is refused anyhow is refused before prompts are read and models located.
            asked_for = checked_manifest(local, config, on_progress=on_progress)
            asked = describe(asked_for, sha256, config, {})
            refuse_other_run(output, replace(asked, manifest=public(manifest_path)), adopt)
        rows = RowWarnings(config, folder_of(manifest_path))
        checked = known or checked_manifest(local, config, rows.add, on_progress=on_progress)
        manifest = replace(checked, identity=identity)
        manifest.refuse_change()
        check_quota_column(manifest, config)

        # Locate the models, and hash them.
        models = locate(config, on_warning=warn)
        if known is None and not rows.knows_sizes:
            # The model has just been downloaded: the sizes of its images are known only now.
            rows.restart_sizes()
            checked_manifest(local, config, rows.add_size, on_progress=on_progress)
        of_models = classifier_warnings(_classifier_folders(models))
        of_rows = rows.listed() if warn_of_rows else []
        paths = (models[role].path if role in models else "" for role in ("model", "similarity"))
        of_settings = [*model_warnings(config, *paths), *unused_settings(config)]
        of_settings += absence_warnings(Path(models["model"].path), config.tiny_vae)
        for warning in (*of_models, *of_rows, *of_settings):
            warn(warning)

        # Examine the output: it is new, or holds this run.
        described = describe(manifest, sha256, config, models)
        described = replace(described, manifest=public(manifest_path))
        run = examine_output(output, described, adopt)
        if _is_done(run, described):
            return _complete_before(output, run)

        # Take the lease, so that no other driver writes the output.
        with Lease(output) as lease:
            # The driver that had the lease before may have finished meanwhile.
            run = examine_output(output, described, adopt)
            if _is_done(run, described):
                return _complete_before(output, run)
            write_run(output, run)
            clear_temporaries(output)
            run = finish_reopening(output, run)
            found = contents_of(output)
            refuse_damaged_shards(output, contents=found)

            # Make the batches that are missing, pack them, and commit the shards.
            job = make_job(output, config, models, run, manifest, folder_of(manifest_path))
            if extend(output, run, described, job.schema, has_sizes(manifest)) != run:
                found = contents_of(output)
            executor = executor or executor_for(config)
            pieces = make_shards(manifest, job, lease, executor, found)
            if pieces:
                warn(_pieces_warning(pieces))

            # Read what an earlier call had committed, now that no worker waits for it.
            refuse_damaged_shards(output, (TAR,), found)

            # Conclude: the index, and the counts.
            return Outcome(conclude(output, read_run(output), job.schema))


def make_job(
    output: Location,
    config: Config,
    models: Mapping[str, Model],
    run: RunFile,
    manifest: Manifest,
    base: str,
) -> Job:
    """What the workers need.

    Args:
        base: the folder that relative paths of source images refer to.
    """
    schema = record_schema(config.taxonomy.labels, config.filters, manifest.extra)
    work = Workload(run.requests * config.method.steps, _has_one_size(manifest, config))
    return Job(output.resolve(), config, models, schema, base, work=work)


def _has_one_size(manifest: Manifest, config: Config) -> bool:
    """Whether all images of a run are of the same size."""
    # Edits are of the aspects of their photographs, unless the settings give a size.
    return not has_sizes(manifest) and (config.size is not None or not has_images(manifest))


def _classifier_folders(models: Mapping[str, Model]) -> dict[str, str]:
    return {role: models[role].path for role in CLASSIFIERS if role in models}


def _is_done(run: RunFile, described: RunFile) -> bool:
    """Whether the run in the output is complete, and the settings ask for no longer one."""
    return run.complete and run.requests == described.requests


def _complete_before(output: Location, run: RunFile) -> Outcome:
    """The outcome of a run that was complete before this call.

    Raises:
        UserError: it is damaged; every byte of it is read.
    """
    refuse_damage(output, run)
    clear_leftovers(output)
    assert run.counts is not None
    return Outcome(run.counts, already_done=True)


def _pieces_warning(pieces: Mapping[int, int]) -> str:
    return (
        f"{sum(pieces.values())} batch(es) were too large for the memory and were made in pieces "
        f"of {sorted(pieces)} requests, as column `micro_batch_size` shows; with more memory their "
        f"bytes may differ, with --batch-size {min(pieces)} they cannot"
    )
