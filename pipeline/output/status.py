"""How far a run is, from its files alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from pipeline.generation.verdicts import STATUSES
from pipeline.output import batches
from pipeline.output.integrity import missing_end, missing_marker
from pipeline.output.markers import Cursor, Marker, read_markers
from pipeline.output.run_file import RunFile, read_run
from pipeline.storage.files import Location
from pipeline.storage.log import read_log


def status(output: Location) -> dict[str, Any]:
    """Counts, speed and what is left.

    Raises:
        UserError: not the output of a run, or damaged.
    """
    run = read_run(output)
    markers = read_markers(output)
    statuses, accepted = _count(output, run, markers)
    # A batch that was made twice counts once.
    log = read_log(output)
    made = {entry["batch"]: entry for entry in log.entries if "statuses" in entry}
    seconds = sum(entry["seconds"] for entry in made.values())
    computed = sum(sum(entry["statuses"].values()) for entry in made.values())
    return {
        "output": str(output),
        "fingerprint": run.fingerprint,
        "complete": run.complete,
        "requests": run.requests,
        "done": statuses.total(),
        **{name: statuses[name] for name in STATUSES},
        "accepted_per_emotion": dict(sorted((+accepted).items())),
        "shards": len(markers),
        "worker_seconds": round(seconds, 1),
        "images_per_worker_second": round(computed / seconds, 3) if seconds else None,
        "damaged_log_lines": log.damaged,
        "damage": [*missing_marker(output), *missing_end(output, run)],
    }


def _count(
    output: Location, run: RunFile, markers: Sequence[Marker]
) -> tuple[Counter[str], Counter[str]]:
    """The finished requests by status, and the accepted ones by emotion."""
    statuses: Counter[str] = Counter()
    accepted: Counter[str] = Counter()
    if run.counts is not None:
        statuses.update({name: run.counts[name] for name in STATUSES})
        for emotion, count in run.counts["emotions"].items():
            accepted[emotion] = count["accepted"]
        return statuses, accepted
    for marker in markers:
        statuses.update({name: marker.count(name) for name in STATUSES})
        accepted.update(marker.emotions)
    # What is finished and in no shard yet lies in batch files. The first requests of the first
    # batch may be in a shard already.
    start = markers[-1].next if markers else Cursor()
    for number in batches.finished_batches(output):
        results = batches.read_batch(output, number) if number >= start.batch else None
        published = start.offset if number == start.batch else 0
        report = batches.report(number, (results or [])[published:])
        statuses.update(report.statuses)
        accepted.update(report.accepted)
    return statuses, accepted


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
    lines += [f"  damage    {line}" for line in summary["damage"]]
    if damaged := summary["damaged_log_lines"]:
        lines.append(f"  log       {damaged} damaged line(s), which are not counted in the speed")
    return "\n".join(lines)
