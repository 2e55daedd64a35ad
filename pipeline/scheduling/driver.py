"""From the plan to published shards: which batches are missing, and what their end leads to."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict

from manifests.read import Manifest
from pipeline.errors import RunStopped
from pipeline.generation.verdicts import STATUSES
from pipeline.generation.worker import Job
from pipeline.output import batches
from pipeline.output.markers import read_markers
from pipeline.output.run_file import read_run
from pipeline.output.shards import Publisher
from pipeline.planning.manifest_input import batches_of
from pipeline.planning.plan import Batch, planned_requests
from pipeline.progress import Counts, Progress
from pipeline.scheduling.executor import Executor
from pipeline.scheduling.pool import Pool
from pipeline.scheduling.strategy_choice import StrategyChoice
from pipeline.storage.files import Location
from pipeline.storage.lease import Lease
from pipeline.storage.log import Log

MAX_ROUNDS = 3
"""How often a batch is made whose file turns out to be damaged when it is read."""


def make_batches(
    manifest: Manifest, job: Job, publisher: Publisher, lease: Lease, executor: Executor
) -> Counter[int]:
    """Have every batch made that is not on disk yet, and publish all of them but the last shard.

    Returns:
        How many batches were made in pieces, by the size of the pieces.

    Raises:
        RunStopped: the run cannot go on.
    """
    requests = planned_requests(manifest, job.config)
    planned = -(-requests // job.config.batch_size)
    pieces: Counter[int] = Counter()
    for _ in range(MAX_ROUNDS):
        pieces += Driver(manifest, job, publisher, lease, executor).run()
        publisher.advance()
        if publisher.next.batch == planned:
            return pieces
        # A file was damaged after it had been written: that batch is made again.
    number = publisher.next.batch
    raise RunStopped(
        f"{batches.folder(job.output)}: batch {number} is damaged each time it is made"
    )


class Driver:
    """Makes the batches that are missing, and publishes shards as they fill."""

    def __init__(
        self,
        manifest: Manifest,
        job: Job,
        publisher: Publisher,
        lease: Lease,
        executor: Executor,
    ):
        self.manifest, self.job, self.publisher = manifest, job, publisher
        self.lease, self.executor = lease, executor
        self.requests = planned_requests(manifest, job.config)
        self.pieces: Counter[int] = Counter()

    def run(self) -> Counter[int]:
        """Make the batches; returns how many were made in pieces, by the size of the pieces."""
        job, first = self.job, self.publisher.start.batch
        self.finished, counts = finished_before(job.output, self.publisher)
        missing = -(-self.requests // job.config.batch_size) - first - len(self.finished)
        if not missing:
            return self.pieces
        run = read_run(job.output)
        self.strategies = StrategyChoice(job.output, run, job.config, self.requests, self.finished)
        times = {"checked": time.time()}
        try:
            workers = min(self.executor.connect(job), missing)
            times["connected"] = time.time()
            with Progress(self.requests, counts) as self.progress, Log(job.output) as self.log:
                self.log.add({"event": "start", **times})
                if self.strategies.is_made:
                    self.publisher.advance()
                pool = Pool(self.executor, job.config, workers, self.log.add)
                pool.run(self._missing_batches(), self._on_report, self.lease.check)
        finally:
            self.executor.close()
        return self.pieces

    def _missing_batches(self) -> Iterator[Batch | None]:
        """The batches for the workers; None while the next one's strategies are not chosen yet."""
        job, first = self.job, self.publisher.start.batch
        for batch in batches_of(self.manifest, job.config, first):
            if batch.number in self.finished:
                continue
            while not self.strategies.can_assign(batch):
                yield None
            # No worker is needed for a batch whose cells are all full.
            if results := self.publisher.all_refused(batch, job.config.taxonomy):
                batches.write_batch(job.output, batch.number, results, job.schema)
                self._on_report(batches.report(batch.number, results))
            else:
                yield self.strategies.assign(batch)

    def _on_report(self, report: batches.Report) -> None:
        """A batch is on disk: count it, and publish it if it is the next in order."""
        self.progress.add(report)
        self.log.add(asdict(report))
        if report.piece:
            self.pieces[report.piece] += 1
        was_chosen = self.strategies.on_finished(report.batch)
        # Any other batch waits for the next one; to look for that in vain costs a listing.
        is_next = self.strategies.is_made and report.batch == self.publisher.next.batch
        if was_chosen or is_next:
            self.publisher.advance()


def finished_before(output: Location, publisher: Publisher) -> tuple[set[int], Counts]:
    """The batches that are on disk and not published yet, and how all finished requests ended.

    Files of damaged batches, and of published ones, are removed.
    """
    finished, counts, start = set(), Counts(), publisher.start
    for marker in read_markers(output):
        statuses = {status: marker.count(status) for status in STATUSES}
        counts.add(statuses, dict(marker.emotions))
    for number in batches.finished_batches(output):
        results = batches.read_batch(output, number) if number >= start.batch else None
        if results is None:
            batches.remove_batch(output, number)
            continue
        finished.add(number)
        # The first requests of a batch may lie in a shard already.
        published = start.offset if number == start.batch else 0
        report = batches.report(number, results[published:])
        counts.add(dict(report.statuses), dict(report.accepted))
    return finished, counts
