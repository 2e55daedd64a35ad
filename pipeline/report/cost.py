"""What a run has cost so far, from its log."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.storage.files import Location
from pipeline.storage.log import read_log


@dataclass(frozen=True)
class Cost:
    """The work of all workers.

    Attributes:
        worker_seconds: that they computed; a batch that was made twice counts twice.
        requests: that they computed.
        workers, hosts: how many there were.
        losses: workers that died, hung or could not start.
        damaged: lines of the log that cannot be read.
    """

    worker_seconds: float
    requests: int
    workers: int
    hosts: int
    losses: int
    damaged: int

    @property
    def images_per_second(self) -> float | None:
        """Requests per worker and second; None if none is known."""
        return self.requests / self.worker_seconds if self.worker_seconds else None


def cost_of(output: Location) -> Cost:
    """The cost of a run; all zeros without a log, as of a corpus that was made of others."""
    log = read_log(output)
    seconds, requests, losses = 0.0, 0, 0
    workers: set[tuple[str, int]] = set()
    for entry in log.entries:
        if "statuses" in entry:
            seconds += entry["seconds"]
            requests += sum(entry["statuses"].values())
            workers.add((entry.get("host", ""), entry.get("pid", 0)))
        losses += entry.get("event") == "ended"
    hosts = len({host for host, _ in workers})
    return Cost(seconds, requests, len(workers), hosts, losses, log.damaged)
