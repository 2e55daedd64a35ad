"""How far a run is, from its files alone."""

from __future__ import annotations

from collections import Counter
from typing import Any

from pipeline.generation.verdicts import STATUSES
from pipeline.output.markers import read_markers
from pipeline.output.run_file import read_run
from pipeline.storage.files import Location
from pipeline.storage.log import reports


def status(output: Location) -> dict[str, Any]:
    """Counts, speed and what is left.

    Raises:
        UserError: not the output of a run, or damaged.
    """
    run = read_run(output)
    # A batch that was made twice counts once.
    last = {report["batch"]: report for report in reports(output)}
    statuses: Counter[str] = Counter()
    accepted: Counter[str] = Counter()
    seconds = 0.0
    for report in last.values():
        statuses.update(report["statuses"])
        accepted.update(report["accepted"])
        seconds += report["seconds"]
    computed = statuses.total()
    if run.counts is not None:
        # A corpus made from others has no log, and filters at publication change what workers
        # reported.
        counts = run.counts
        statuses = Counter({name: counts[name] for name in STATUSES})
        accepted = Counter()
        for emotion, count in counts["emotions"].items():
            accepted[emotion] = count["accepted"]
    return {
        "output": str(output),
        "fingerprint": run.fingerprint,
        "complete": run.complete,
        "requests": run.requests,
        "done": statuses.total(),
        **{name: statuses[name] for name in STATUSES},
        "accepted_per_emotion": dict(sorted((+accepted).items())),
        "shards": len(read_markers(output)),
        "worker_seconds": round(seconds, 1),
        "images_per_worker_second": round(computed / seconds, 3) if seconds else None,
    }


def as_text(summary: dict[str, Any]) -> str:
    """A summary by `status`, as a person reads it."""
    share = summary["done"] / summary["requests"] if summary["requests"] else 1.0
    counts = summary["accepted_per_emotion"].items()
    emotions = ", ".join(f"{name} {count}" for name, count in counts) or "none"
    speed = summary["images_per_worker_second"]
    lines = [
        f"{summary['output']}: {'complete' if summary['complete'] else 'not complete'}",
        f"  requests  {summary['done']} of {summary['requests']} ({share:.0%})",
        f"  accepted  {summary['accepted']} ({emotions})",
        f"  rejected  {summary['rejected']}",
        f"  failed    {summary['failed']}",
        f"  shards    {summary['shards']}",
        f"  speed     {f'{speed} images per worker and second' if speed else 'not known yet'}",
    ]
    return "\n".join(lines)
