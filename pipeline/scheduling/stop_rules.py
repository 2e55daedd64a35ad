"""When a run gives up on its workers. Pure: it counts what the pool reports, and decides."""

from __future__ import annotations

from dataclasses import dataclass, field

MAX_FAILED_STARTS = 3
"""Workers that cannot start, one after another, before no more are started."""

DOUBTFUL_DEATHS = 3
"""Deaths in a row after which other batches are tried first, to find out whether they die, too."""

MAX_DEATHS_IN_A_ROW = 9
MIN_BATCHES_OF_DEATHS = 4
"""Deaths in a row, and the batches they came of, at which the run stops: then it is not the
requests that kill. With many workers, three deaths for each of them, since a node that fails may
take several along."""

MAX_DEATHS_BEFORE_ANY_RESULT = 20
"""The same for a run with too few batches to tell, if no worker of it ever finished a task."""


@dataclass
class StopRules:
    """The failures of a run's workers so far.

    Attributes:
        workers: how many the run has.
        deaths: the batch of each death since a worker last finished a task.
    """

    workers: int
    deaths: list[int] = field(default_factory=list)
    failed_starts: int = 0
    ever_started: bool = False
    ever_finished: bool = False

    def on_started(self) -> None:
        """A worker has its models."""
        self.ever_started, self.failed_starts = True, 0

    def on_finished(self) -> None:
        """A worker finished a task."""
        self.deaths, self.ever_finished = [], True

    def on_failed_start(self) -> None:
        self.failed_starts += 1

    def on_death(self, batch: int) -> None:
        """A worker died of a task of this batch."""
        self.deaths.append(batch)

    def may_start_another(self) -> bool:
        """Whether a worker that could not start should be replaced."""
        return self.failed_starts < MAX_FAILED_STARTS

    def prefers_other_batches(self) -> bool:
        """Whether batches that have not killed yet should be tried before those that have."""
        return len(self.deaths) >= DOUBTFUL_DEATHS

    def must_stop(self) -> bool:
        """Whether anything at all kills the workers, so that the run cannot go on."""
        most = max(MAX_DEATHS_IN_A_ROW, 3 * self.workers)
        kills_any_batch = len(self.deaths) >= most and len({*self.deaths}) >= MIN_BATCHES_OF_DEATHS
        kills_always = not self.ever_finished and len(self.deaths) >= MAX_DEATHS_BEFORE_ANY_RESULT
        return kills_any_batch or kills_always
