"""From the plan to durable batches: what is still to be made, by which retry strategy, and shards as they fill."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

from manifests.read import Manifest, find_request, rows_of
from pipeline.config import LADDER, Config
from pipeline.errors import RunStopped
from pipeline.output import batches
from pipeline.output.run_file import RunFile, write_run
from pipeline.output.shards import Publisher
from pipeline.planning import plan, retry_strategy
from pipeline.scheduling.executor import Executor
from pipeline.scheduling.pool import Pool
from pipeline.storage.files import Location
from pipeline.storage.lease import Lease
from pipeline.storage.log import Log

if TYPE_CHECKING:
    from pipeline.generation.worker import Job


def batches_of(manifest: Manifest, config: Config, first: int = 0) -> Iterator[plan.Batch]:
    """The batches of the plan from number `first` on, read from the manifest in a stream."""
    before = first * config.batch_size
    row, passed = find_request(manifest.path, before, len(config.emotions)) if first else (0, 0)
    requests = plan.plan_requests(
        rows_of(manifest, config.taxonomy.labels, row), config, before, passed
    )
    return plan.plan_batches(requests, config.batch_size, first)


class Strategies:
    """The retry strategies of a run. With `auto` they are chosen once the first batches are done, and recorded in
    run.json before any shard is.

    Args:
        requests: of the whole plan.
        finished: the batches that are on disk.
    """

    def __init__(
        self,
        output: Location,
        run: RunFile,
        config: Config,
        requests: int,
        finished: set[int],
    ):
        self.output, self.run, self.config = output, run, config
        self.explored = -(-retry_strategy.EXPLORED_REQUESTS // config.batch_size)
        # A plan that ends with these batches needs no choice.
        chooses = config.effort == LADDER and self.explored * config.batch_size < requests
        self.settled = not chooses or run.retry_strategy is not None
        self.missing = set() if self.settled else set(range(self.explored)) - finished
        self.heard(-1)  # none that counts: a run that stopped just before the choice makes it now

    def heard(self, number: int) -> bool:
        """A batch is on disk. Returns whether the strategies are chosen by that."""
        self.missing.discard(number)
        if self.settled or self.missing:
            return False
        records = []
        for first in range(self.explored):
            results = batches.read_batch(self.output, first)
            if results is None:
                raise RunStopped(
                    f"{batches.folder(self.output)}: batch {first} is damaged; it has to be made again"
                )
            records += [result.record for result in results]
        chosen = retry_strategy.choose_strategies(records, self.config.taxonomy)
        self.run = replace(self.run, retry_strategy=chosen)
        write_run(self.output, self.run)
        self.settled = True
        return True

    def knows(self, batch: plan.Batch) -> bool:
        """Whether the strategies of this batch's requests are known by now."""
        return self.settled or retry_strategy.is_exploratory(batch.number, self.config.batch_size)

    def assign(self, batch: plan.Batch) -> plan.Batch:
        chosen = (self.run.retry_strategy or {}).get("by_emotion", {})
        config = self.config
        return retry_strategy.assign_strategies(
            batch, config.effort, config.batch_size, chosen, config.taxonomy, config.seed
        )


def compute(
    manifest: Manifest,
    job: Job,
    publisher: Publisher,
    lease: Lease,
    run: RunFile,
    executor: Executor,
) -> Counter[int]:
    """Have the workers make every batch that is not on disk yet; publish shards as they fill.

    Args:
        run: as in run.json; the strategies are recorded there, if they are chosen now.

    Returns:
        How many batches had to be made in pieces of a size.
    """
    from pipeline.progress import Progress

    config, output = job.config, job.output
    first, finished = publisher.start.batch, sound_batches(output, publisher.start.batch)

    total = plan.planned_requests(manifest, config)
    sizes = (
        max(0, min(config.batch_size, total - number * config.batch_size)) for number in finished
    )
    already = min(total, first * config.batch_size) + sum(sizes)
    pieces: Counter[int] = Counter()
    if already == total:
        return pieces
    strategies = Strategies(output, run, config, total, finished)
    try:
        checked = time.time()
        workers = executor.connect(job)
        connected = time.time()
        workers = min(workers, -(-(total - already) // config.batch_size))
        with Progress(total, already) as progress, Log(output) as log:
            log.add({"event": "start", "checked": checked, "connected": connected})

            def done(report: batches.Report) -> None:
                progress.add(report)
                log.add(asdict(report))
                pieces.update([report.piece] if report.piece else [])
                # Any other batch waits for this one; to look for it in vain costs a listing.
                if strategies.heard(report.batch) or (
                    strategies.settled and report.batch == publisher.next.batch
                ):
                    publisher.advance()

            def todo() -> Iterator[plan.Batch | None]:
                for batch in batches_of(manifest, config, first):
                    if batch.number in finished:
                        continue
                    while not strategies.knows(batch):
                        yield None
                    if results := publisher.all_refused(batch, job.shared):
                        batches.write_batch(output, batch.number, results, job.schema)
                        done(batches.report(batch.number, results))
                    else:
                        yield strategies.assign(batch)

            if strategies.settled:
                publisher.advance()
            Pool(executor, config, workers, log.add).run(todo(), done, lease.check)
    finally:
        executor.close()
    return pieces


def sound_batches(output: Location, first: int) -> set[int]:
    """Finished batches from `first` on whose files are whole; damaged ones are removed, to be computed again."""
    sound = set()
    for number in batches.finished_batches(output):
        if number >= first and batches.read_batch(output, number) is not None:
            sound.add(number)
        else:
            batches.remove_batch(output, number)
    return sound
