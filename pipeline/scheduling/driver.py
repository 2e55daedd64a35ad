"""From the plan to committed shards: which batches are missing, and what each result leads to."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from manifests.read import Manifest
from pipeline.errors import RunStopped
from pipeline.generation.results import Result, blank_row, quota_rejection
from pipeline.generation.verdicts import cells_of
from pipeline.generation.worker import Job
from pipeline.output import batches
from pipeline.output.batches import BatchFile, Report
from pipeline.output.contents import Contents, contents_of
from pipeline.output.markers import Marker
from pipeline.output.packing import Packed, PackTask
from pipeline.output.rows import layout_of
from pipeline.output.run.finished import find_finished
from pipeline.output.run.run_file import read_run
from pipeline.output.sequencer import ShardSpec
from pipeline.output.shards import Committer, committed_rows, packer_for, sequencer_for
from pipeline.output.source_hashes import (
    COLUMNS,
    SourceHashes,
    hashes_in,
    keep_hashes,
    kept_hashes,
)
from pipeline.planning.manifest_input import PlannedKeys, batches_of, has_images
from pipeline.planning.plan import Batch, planned_requests
from pipeline.scheduling.executors.executor import Executor
from pipeline.scheduling.pool import Pool
from pipeline.storage.lease import Lease
from pipeline.storage.log import Log, entries
from pipeline.watch.budget import Budget
from pipeline.watch.display import Display
from pipeline.watch.summary import RunWatch
from pipeline.watch.tracking import tracker_for

MAX_ROUNDS = 3
"""How often a batch is made whose file turns out to be damaged when it is packed."""


FINISHED = "finished"
"""Why a driver has ended that made everything."""

MAX_CAUSE = 300
"""Characters of the cause of an end that the log keeps."""


class DamagedBatchError(Exception):
    """A batch has to be made again: its file was damaged, or one of its source images was replaced.

    The file has been removed.
    """


def make_shards(
    manifest: Manifest, job: Job, lease: Lease, executor: Executor, contents: Contents
) -> Counter[int]:
    """Have every batch made that is missing, and every shard packed and committed.

    Args:
        contents: of the output.

    Returns:
        How many batches were made in pieces, by the size of the pieces.

    Raises:
        RunStopped: the run cannot go on.
    """
    pieces: Counter[int] = Counter()
    for number in range(MAX_ROUNDS):
        try:
            contents = contents_of(job.output) if number else contents
            Driver(manifest, job, lease, executor, pieces, contents).run()
            return pieces
        except DamagedBatchError as error:
            damaged = error
    raise RunStopped(f"{batches.folder(job.output)}: {damaged} is damaged each time it is made")


class Driver:
    """Knows which batches are on disk, what is sequenced, and what is committed.

    It reads no image: workers report how each request ended, and pack the shards.
    """

    def __init__(
        self,
        manifest: Manifest,
        job: Job,
        lease: Lease,
        executor: Executor,
        pieces: Counter[int],
        contents: Contents | None = None,
    ):
        """
        Args:
            pieces: counts the batches made in pieces, by the size of the pieces.
            contents: of the output; None to list them.
        """
        self.manifest, self.job, self.lease, self.executor = manifest, job, lease, executor
        self.pieces = pieces
        self.requests = planned_requests(manifest, job.config)
        self.batches = -(-self.requests // job.config.batch_size)
        self.layout = layout_of(job.schema)
        self.cells = cells_of(job.config, self.layout)
        contents = contents or contents_of(job.output)
        markers = contents.markers
        self.sequencer = sequencer_for(job.output, markers, job.config, job.schema)
        self.committer = Committer(job.output, markers)
        self.first = self.sequencer.start.batch
        self.sources = self._published_sources(markers)
        keys_of, size = PlannedKeys(manifest, job.config).of, job.config.batch_size
        finished = find_finished(
            job.output, contents, self.requests, size, self.cells, self.sources, keys_of
        )
        keep_hashes(job.output, finished.sources)
        for file in finished.leftovers:
            batches.remove_batch(job.output, file)
        self.counts, self.made_before = finished.counts, frozenset(finished.files)
        self.files = finished.files
        """The batches on disk that no committed shard holds."""
        self.summaries = finished.summaries
        """Those of the batches that wait for an earlier one."""

    def _published_sources(self, markers: Sequence[Marker]) -> SourceHashes:
        """What source images hashed to, as committed shards and reopened batches tell."""
        sources = SourceHashes(self.job.base)
        if has_images(self.manifest):
            sources.add(kept_hashes(self.job.output))
            sources.add(hashes_in(committed_rows(self.job.output, markers, COLUMNS)))
        return sources

    def run(self) -> None:
        """Make and pack what is missing.

        Raises:
            DamagedBatchError: a batch has to be made again.
        """
        self.spent: str | None = None
        self.name = read_run(self.job.output).fingerprint[:16]
        missing = self.batches - self.first - len(self.made_before)
        if missing:
            self._run_workers(missing)
        else:
            # Only the last shards are to be packed: no models are loaded for that.
            packer = packer_for(self.job.output, self.job.config, self.job.schema)
            self._sequence(lambda task: self._on_packed(packer.pack(task)))

    def _run_workers(self, missing: int) -> None:
        config, output = self.job.config, self.job.output
        times = {"checked": time.time()}
        watch = RunWatch(
            self.requests, config.gpus_per_worker, config.gpu_hour_price, entries(output)
        )
        self.budget = Budget(config, watch)
        tracker = tracker_for(config.tracking, output, self.name)
        try:
            workers = min(self.executor.connect(self.job), missing)
            times["connected"] = time.time()
            with (
                Display(watch, self.counts, tracker.add) as self.display,
                # After another driver has taken the output over, the log is that driver's.
                Log(output, self._on_entry, lambda: not self.lease.lost) as self.log,
            ):
                self.log.add({"event": "start", "workers": workers, **times})
                try:
                    self._make_missing(workers)
                except BaseException as error:
                    self._log_stop(_cause_of(error))
                    raise
                self._log_stop(self.spent or FINISHED)
        finally:
            tracker.close()
            self.executor.close()
        if self.spent is not None:
            raise RunStopped(self.spent)

    def _make_missing(self, workers: int) -> None:
        self.pool = Pool(self.executor, self.job.config, workers, self.log.add)
        self._sequence(self.pool.add_pack)
        self.pool.run(self._missing_batches(), self._on_result, self._on_tick)

    def _on_tick(self) -> None:
        self.lease.check()
        self.display.tick()

    def _log_stop(self, cause: str) -> None:
        """Tell those who watch; where the log cannot be written, what is raised says more."""
        with suppress(OSError, RunStopped):
            self.log.add({"event": "stop", "cause": cause})

    def _on_entry(self, entry: Mapping[str, Any]) -> None:
        self.display.note(entry)
        self.budget.note(entry)

    def _missing_batches(self) -> Iterator[Batch]:
        """The batches for the workers."""
        for batch in batches_of(self.manifest, self.job.config, self.first):
            if batch.number in self.made_before:
                continue
            # Without a budget left no batch begins; those in work are finished.
            if (spent := self.budget.spent()) is not None:
                self.spent = spent
                return
            requests = map(self.sources.with_hash, batch.requests)
            batch = replace(batch, requests=tuple(requests))
            # No worker is needed for a batch whose cells are all full.
            if results := self._quota_rejections(batch):
                file = batches.write_batch(self.job.output, batch.number, results, self.job.schema)
                rows = [result.record for result in results]
                self._on_result(batches.report_of(file, rows, self.cells))
            else:
                yield batch

    def _quota_rejections(self, batch: Batch) -> list[Result]:
        """The results of a batch ahead if every cell of it is full; else nothing."""
        if self.cells is None:
            return []
        results, rows = [], []
        for request in batch.requests:
            rows.append(blank_row(request, batch.number, self.job.config.taxonomy, self.layout))
        reasons = self.sequencer.quota_reasons([self.cells.cell(row) for row in rows])
        for row, reason in zip(rows, reasons, strict=False):
            results.append(quota_rejection(row, self.layout, reason))
        return results

    def _on_result(self, result: Report | Packed) -> None:
        if isinstance(result, Packed):
            self._on_packed(result)
        else:
            self._on_report(result)

    def _on_report(self, report: Report) -> None:
        """A batch is on disk: note it, and have the shards packed that it closes."""
        assert report.file is not None
        if self.sources.add(report.sources):
            # A source image was replaced while two batches with it were made at the same time.
            batches.remove_batch(self.job.output, report.file)
            raise DamagedBatchError(f"batch {report.batch}")
        self.display.add(report)
        self.log.add(report.as_log_entry())
        if report.piece:
            self.pieces[report.piece] += 1
        self.files[report.batch], self.summaries[report.batch] = report.file, report.requests
        self._sequence(self.pool.add_pack)

    def _sequence(self, pack: Callable[[PackTask], None]) -> None:
        """Sequence all batches that are next in order; `pack` is called with each closed shard."""
        while (number := self.sequencer.next.batch) in self.summaries:
            specs = self.sequencer.take(self.summaries.pop(number))
            is_last = self.sequencer.next.batch == self.batches
            last = self.sequencer.finish() if is_last else None
            for spec in [*specs, *([last] if last else [])]:
                pack(PackTask(spec, self._files_of(spec)))

    def _files_of(self, spec: ShardSpec) -> list[BatchFile]:
        end = spec.next.batch + (spec.next.offset > 0)
        return [self.files[number] for number in range(spec.first.batch, end)]

    def _on_packed(self, packed: Packed) -> None:
        """The files of a shard are written: commit it in its turn, and remove its batches."""
        if packed.damaged is not None:
            batches.remove_batch(self.job.output, packed.damaged)
            raise DamagedBatchError(f"batch {packed.damaged.number}")
        assert packed.marker is not None
        for marker in self.committer.add(packed.marker):
            for number in range(marker.first.batch, marker.next.batch):
                batches.remove_batch(self.job.output, self.files.pop(number))


def _cause_of(error: BaseException) -> str:
    """Why a driver ends with this error, in one line."""
    if isinstance(error, KeyboardInterrupt):
        return "interrupted"
    return (" ".join(str(error).split()) or type(error).__name__)[:MAX_CAUSE]
