"""Which retry strategy each batch's requests follow, and when the run chooses it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from pipeline.config import AUTO, Config
from pipeline.errors import RunStopped
from pipeline.output import batches
from pipeline.output.batches import BatchFile
from pipeline.output.run.run_file import RunFile, write_run
from pipeline.planning import retry_strategy
from pipeline.planning.plan import Batch
from pipeline.storage.files import Location


class StrategyChoice:
    """The retry strategies of a run.

    With the setting `auto` they are chosen once the exploratory batches are done, and recorded in
    run.json before any shard is committed.

    Args:
        requests: of the whole plan.
        files: of the batches that are on disk; those that are finished later are added to it.
    """

    def __init__(
        self,
        output: Location,
        run: RunFile,
        config: Config,
        requests: int,
        files: Mapping[int, BatchFile],
    ):
        self.output, self.run, self.config, self.files = output, run, config, files
        self.exploratory = range(-(-retry_strategy.EXPLORED_REQUESTS // config.batch_size))
        # A plan that ends with the exploratory batches needs no choice.
        explored = len(self.exploratory) * config.batch_size
        is_needed = config.retry_strategy == AUTO and explored < requests
        self.is_made = not is_needed or run.retry_strategy is not None

    def choose_if_possible(self) -> bool:
        """Choose once all exploratory batches are on disk. Returns whether this call did so."""
        if self.is_made or not self.files.keys() >= {*self.exploratory}:
            return False
        records = []
        for number in self.exploratory:
            rows = batches.read_rows(self.output, self.files[number])
            if rows is None:
                folder = batches.folder(self.output)
                raise RunStopped(f"{folder}: batch {number} is damaged; it has to be made again")
            records += rows
        chosen = retry_strategy.choose_strategies(records, self.config.taxonomy)
        self.run = replace(self.run, retry_strategy=chosen)
        write_run(self.output, self.run)
        self.is_made = True
        return True

    def can_assign(self, batch: Batch) -> bool:
        """Whether the strategies of this batch's requests are known by now."""
        return self.is_made or retry_strategy.is_exploratory(batch.number, self.config.batch_size)

    def assign(self, batch: Batch) -> Batch:
        """The batch, each request with its strategy."""
        config, chosen = self.config, (self.run.retry_strategy or {}).get("by_emotion", {})
        return retry_strategy.assign_strategies(
            batch, config.retry_strategy, config.batch_size, chosen, config.taxonomy, config.seed
        )
