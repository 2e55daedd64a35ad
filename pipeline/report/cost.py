"""What a run has cost so far, from its log."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.output.run.run_file import RunFile
from pipeline.storage.files import Location
from pipeline.storage.log import LogReader
from pipeline.watch.summary import RunWatch


@dataclass(frozen=True)
class Cost:
    """The work of all workers.

    Attributes:
        worker_seconds: that they computed; a batch that was made twice counts twice.
        requests: that they computed.
        workers, hosts: how many there were, over all sessions.
        sessions: how often the run was started or resumed.
        losses: workers that died, hung or could not start.
        damaged: lines of the log that cannot be read.
        gpu_hours: as long as workers were held, over all sessions.
        price: of one of them; 0 if it is not known.
    """

    worker_seconds: float
    requests: int
    workers: int
    hosts: int
    sessions: int
    losses: int
    damaged: int
    gpu_hours: float
    price: float

    @property
    def images_per_second(self) -> float | None:
        """Requests per worker and second; None if none is known."""
        return self.requests / self.worker_seconds if self.worker_seconds else None

    @property
    def money(self) -> float | None:
        """What the GPU-hours cost; None if that is not known."""
        return self.gpu_hours * self.price if self.gpu_hours and self.price else None


def cost_of(output: Location, run: RunFile) -> Cost:
    """The cost of a run; all zeros without a log, as of a corpus that was made of others."""
    log = LogReader(output)
    gpus, price = run.config.get("gpus_per_worker", -1.0), run.config.get("gpu_hour_price", 0.0)
    watch = RunWatch(run.requests, gpus, price)
    seconds, requests, sessions, losses = 0.0, 0, 0, 0
    workers: set[tuple[str, int]] = set()
    for entry in log.entries():
        watch.add(entry)
        if "event" not in entry:
            seconds += entry["seconds"]
            requests += sum(entry["statuses"].values())
            workers.add((entry.get("host", ""), entry.get("pid", 0)))
        sessions += entry.get("event") == "start"
        losses += entry.get("event") == "ended"
    return Cost(
        worker_seconds=seconds,
        requests=requests,
        workers=len(workers),
        hosts=len({host for host, _ in workers}),
        sessions=sessions,
        losses=losses,
        damaged=log.damaged,
        gpu_hours=watch.gpu_hours(None),
        price=price,
    )
