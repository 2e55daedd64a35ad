"""How a run is going, from its counts and the entries of its log. Pure: the time is an argument."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pipeline.forecast.forecast import Range
from pipeline.output.run.finished import Counts
from pipeline.watch.speed import FinishedBatch, Speedometer

MAX_PROBLEMS = 3
"""Problems that are shown, the latest ones."""


@dataclass(frozen=True)
class EmotionCount:
    """Requests of one emotion that are decided, and how many of them were accepted."""

    accepted: int
    decided: int

    @property
    def share(self) -> float:
        return self.accepted / self.decided if self.decided else 0.0


@dataclass(frozen=True)
class WorkerSpeed:
    """A worker, and the seconds that its last batch took for an image."""

    name: str
    seconds: float


@dataclass(frozen=True)
class Summary:
    """How a run is going.

    Attributes:
        total, done: requests.
        statuses: finished requests by status.
        emotions: those that the log tells of, by emotion.
        images_per_second: over the last minutes of work; None before a batch is finished.
        seconds_left: None while too few batches are finished to tell.
        started: workers that the present session asked for; None before the first session.
        placed, ready: those of them that have a process, and their models.
        workers: those that finished a batch in this session and have not ended.
        slowest: of these.
        stopped: why the last session ended; None while it goes on, as far as the log tells, or
            while a driver begins the next one.
        is_running: whether a driver is at work.
        gpu_hours: of all sessions, as long as their workers were held.
        cost: of the GPU-hours; None without a price.
        problems: the latest ones.
        silent_seconds: since the last entry of the log; None without one.
        held: workers that have their resources, where none has a process yet; None if it was not
            asked.
    """

    total: int
    done: int
    statuses: Mapping[str, int]
    emotions: Mapping[str, EmotionCount]
    images_per_second: float | None
    seconds_left: Range | None
    started: int | None
    placed: int
    ready: int
    workers: int
    slowest: WorkerSpeed | None
    stopped: str | None
    is_running: bool
    gpu_hours: float
    cost: float | None
    problems: Sequence[str]
    silent_seconds: float | None
    held: int | None = None


@dataclass
class _Session:
    """The work of one driver.

    Attributes:
        connected, last: times of its first and its latest entry.
        workers: how many it started.
        gpus: of each.
        held: workers with their resources, if that was asked and none has a process yet.
        placed, ready: workers that have a process, and those that have their models.
        stopped: why it ended.
        speeds: by worker, the seconds of an image in its last batch.
    """

    connected: float
    last: float
    workers: int
    gpus: float = 0.0
    held: int | None = None
    placed: set[int | None] = field(default_factory=set)
    ready: set[int | None] = field(default_factory=set)
    stopped: str | None = None
    speeds: dict[str, float] = field(default_factory=dict)

    def gpu_hours(self, end: float) -> float:
        return self.workers * self.gpus * max(0.0, end - self.connected) / 3600


class RunWatch:
    """Takes the entries of a log, the oldest first, and summarises them at any time.

    Args:
        total: requests of the plan.
        gpus_per_worker: as in the settings; -1 for one where the log tells of a GPU.
        price: of a GPU for an hour; 0 if it is not known.
    """

    def __init__(
        self,
        total: int,
        gpus_per_worker: float = -1.0,
        price: float = 0.0,
        entries: Iterable[Mapping[str, Any]] = (),
    ):
        self.total, self.gpus_per_worker, self.price = total, gpus_per_worker, price
        self.sessions: list[_Session] = []
        self.speedometer = Speedometer()
        self.seen: set[int] = set()
        self.asked: Counter[str] = Counter()
        self.problems: deque[str] = deque(maxlen=MAX_PROBLEMS)
        for entry in entries:
            self.add(entry)

    @property
    def settings(self) -> tuple[int, float, float]:
        """All but the entries that it was made with."""
        return self.total, self.gpus_per_worker, self.price

    def add(self, entry: Mapping[str, Any]) -> None:
        """Take the next entry of the log."""
        event = entry.get("event")
        if event == "start":
            connected = entry.get("connected", entry["at"])
            self.sessions.append(_Session(connected, entry["at"], entry.get("workers", 0)))
            self.speedometer.clear()
            return
        if not self.sessions:
            self.sessions.append(_Session(entry["at"], entry["at"], 0))
        session = self.sessions[-1]
        session.last = max(session.last, entry["at"])
        if event == "held":
            session.held = entry["workers"]
        elif event == "placed":
            session.placed.add(entry.get("pid"))
            session.held = None
        elif event == "ready":
            session.ready.add(entry.get("pid"))
            if entry.get("device", "cpu") != "cpu":
                session.gpus = self.gpus_per_worker if self.gpus_per_worker > 0 else 1.0
        elif event == "ended":
            self._add_end(session, entry)
        elif event == "stop":
            session.stopped = entry["cause"]
        elif event is None:
            self._add_batch(session, entry)

    def _add_end(self, session: _Session, entry: Mapping[str, Any]) -> None:
        self.problems.append(f"a worker ended: {entry['cause']}")
        session.placed.discard(entry.get("pid"))
        session.ready.discard(entry.get("pid"))
        session.speeds = {
            name: speed
            for name, speed in session.speeds.items()
            if name.rpartition(":")[2] != str(entry.get("pid"))
        }
        self.speedometer.keep([*session.speeds])

    def _add_batch(self, session: _Session, entry: Mapping[str, Any]) -> None:
        requests = sum(entry["statuses"].values())
        if requests and entry["seconds"] > 0:
            worker = f"{entry.get('host', '')}:{entry.get('pid', 0)}"
            session.speeds[worker] = entry["seconds"] / requests
            batch = FinishedBatch(entry["at"], requests, entry["seconds"])
            self.speedometer.add(worker, batch)
        # A batch that is made twice counts once.
        if entry["batch"] in self.seen:
            return
        self.seen.add(entry["batch"])
        self.asked.update(entry.get("asked", {}))
        for reason, count in entry.get("failures", {}).items():
            self.problems.append(f"{count} request(s) failed: {reason}")

    def gpu_hours(self, now: float | None) -> float:
        """Of all sessions.

        Args:
            now: the last session goes on until then; None if it has ended.
        """
        ended = sum(session.gpu_hours(session.last) for session in self.sessions[:-1])
        if not self.sessions:
            return ended
        last = self.sessions[-1]
        return ended + last.gpu_hours(last.last if now is None else now)

    def summary(self, counts: Counts, now: float, is_running: bool | None = None) -> Summary:
        """
        Args:
            counts: how the finished requests ended.
            now: in seconds, as `time.time()`.
            is_running: whether a driver is at work, whose workers cost until `now`; None for what
                the log tells.
        """
        session = self.sessions[-1] if self.sessions else None
        has_ended = session is not None and session.stopped is not None
        # A driver logs its start after its checks. One that has ended a session and is still at
        # work builds the index: it has made everything.
        is_starting = is_running is True and has_ended and counts.done < self.total
        is_running = is_starting or (is_running is not False and not has_ended)
        hours = self.gpu_hours(now if is_running and not is_starting else None)
        # The speed of a run which has stopped does not fall as time goes by.
        ended = now if is_running or session is None else session.last
        left = self.total - counts.done
        speed = None if is_starting else self.speedometer.images_per_second(ended)
        seconds_left = None if is_starting else self.speedometer.seconds_left(left, ended)
        session = None if is_starting else session
        speeds = session.speeds if session else {}
        slowest = max(speeds, key=speeds.__getitem__, default=None)
        return Summary(
            total=self.total,
            done=counts.done,
            statuses=dict(counts.statuses),
            emotions=self._emotions(counts),
            images_per_second=speed,
            seconds_left=seconds_left,
            started=session.workers if session else None,
            placed=len(session.placed) if session else 0,
            ready=len(session.ready) if session else 0,
            workers=len(speeds),
            slowest=None if slowest is None else WorkerSpeed(slowest, speeds[slowest]),
            stopped=session.stopped if session else None,
            is_running=is_running,
            gpu_hours=hours,
            cost=hours * self.price if self.price else None,
            problems=list(self.problems),
            silent_seconds=None if session is None else max(0.0, now - session.last),
            held=session.held if session else None,
        )

    def _emotions(self, counts: Counts) -> dict[str, EmotionCount]:
        """Accepted samples as counted; requests as the log tells, which may lack some lines."""
        names = sorted(self.asked.keys() | (+counts.accepted).keys())
        return {
            name: EmotionCount(counts.accepted[name], max(self.asked[name], counts.accepted[name]))
            for name in names
        }
