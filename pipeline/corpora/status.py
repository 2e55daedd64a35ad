"""How far a run is, from its files alone."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.generation.verdicts import STATUSES
from pipeline.output.contents import Contents, contents_of
from pipeline.output.integrity import damaged_index, damaged_shards
from pipeline.output.run.finished import Counts, find_finished
from pipeline.output.run.run_file import RunFile, read_run
from pipeline.storage.files import Location
from pipeline.storage.lease import driver_of
from pipeline.storage.log import LogReader
from pipeline.terminal import percent, printable
from pipeline.watch import text
from pipeline.watch.summary import RunWatch


def status(output: Location) -> dict[str, Any]:
    """Counts, speed, what is left, and damage, without reading the files of a shard.

    Raises:
        UserError: not the output of a run, or damaged.
    """
    run = read_run(output)
    contents = contents_of(output)
    counts = counts_of(output, run, contents)
    log = LogReader(output)
    entries = list(log.entries())
    work, driver = _work_in(entries), None if run.complete else driver_of(output)
    return {
        "output": str(output),
        "fingerprint": run.fingerprint,
        "complete": run.complete,
        "requests": run.requests,
        "done": counts.done,
        **{name: counts.statuses[name] for name in STATUSES},
        "accepted_per_emotion": dict(sorted((+counts.accepted).items())),
        "shards": len(contents.markers),
        "worker_seconds": round(work.seconds, 1),
        "images_per_worker_second": round(work.images / work.seconds, 3) if work.seconds else None,
        # While a run is being resumed, it is not what stopped it before that counts.
        "stopped": work.stopped if driver is None else None,
        "driver": driver and driver.holder,
        "driver_began": driver and driver.began,
        "workers": driver and _workers_now(run, counts, entries),
        "damaged_log_lines": log.damaged,
        "damage": [
            *damaged_shards(output, (), contents),
            *damaged_index(output, run, contents.markers),
        ],
    }


def counts_of(output: Location, run: RunFile, contents: Contents) -> Counts:
    """How the finished requests ended."""
    if run.counts is None:
        return find_finished(output, contents, run.requests, run.config["batch_size"]).counts
    counts = Counts(Counter({name: run.counts[name] for name in STATUSES}))
    for emotion, count in run.counts["emotions"].items():
        counts.accepted[emotion] = count["accepted"]
    return counts


def as_text(summary: dict[str, Any]) -> str:
    """A summary by `status`, as a person reads it."""
    share = summary["done"] / summary["requests"] if summary["requests"] else 1.0
    counts = summary["accepted_per_emotion"].items()
    emotions = ", ".join(f"{name} {count}" for name, count in counts) or "none"
    speed = summary["images_per_worker_second"]
    lines = [
        f"{summary['output']}: {_state(summary)}",
        f"  requests  {summary['done']} of {summary['requests']} ({percent(share)})",
        f"  accepted  {summary['accepted']} ({emotions})",
        f"  rejected  {summary['rejected']}",
        f"  failed    {summary['failed']}",
        f"  shards    {summary['shards']}: files checked by size; "
        f"`muse-batch verify {summary['output']}` reads them all",
        f"  speed     {f'{speed} images per worker and second' if speed else 'not known yet'}",
    ]
    if summary["driver"]:
        lines.append(f"  driver    {printable(_driver(summary))}")
        lines.append(f"  workers   {printable(summary['workers'])}")
    if not summary["complete"] and summary["stopped"]:
        lines.append(f"  stopped   {printable(summary['stopped'])}")
    lines += [f"  damage    {line}" for line in summary["damage"]]
    if damaged := summary["damaged_log_lines"]:
        lines.append(f"  log       {damaged} damaged line(s), which are not counted in the speed")
    return "\n".join(lines)


@dataclass(frozen=True)
class _Work:
    """What a log tells.

    Attributes:
        seconds, images: of all workers; a batch that was made twice counts once.
        stopped: why the last driver ended; None while it is at work, or if it was killed.
    """

    seconds: float
    images: int
    stopped: str | None


def _work_in(entries: Iterable[Mapping[str, Any]]) -> _Work:
    made: dict[int, tuple[float, int]] = {}
    stopped = None
    for entry in entries:
        event = entry.get("event")
        if event is None:
            made[entry["batch"]] = entry["seconds"], sum(entry["statuses"].values())
        elif event in ("start", "stop"):
            stopped = entry.get("cause")
    seconds = sum(taken for taken, _ in made.values())
    return _Work(seconds, sum(count for _, count in made.values()), stopped)


def _workers_now(run: RunFile, counts: Counts, entries: Iterable[Mapping[str, Any]]) -> str:
    """What the workers of a driver that is at work do, in the words of `--watch`."""
    watch = RunWatch(run.requests, entries=entries)
    return text.workers(watch.summary(counts, time.time(), is_running=True))


def _driver(summary: Mapping[str, Any]) -> str:
    began = summary["driver_began"]
    if began is None:
        return str(summary["driver"])
    since = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(began))
    return f"{summary['driver']}, at work since {since}"


def _state(summary: dict[str, Any]) -> str:
    state = "complete" if summary["complete"] else "not complete"
    state += ", a driver is at work" if summary["driver"] else ""
    return f"{state}, but damaged" if summary["damage"] else state
