"""How far a run is, from its files alone."""

from __future__ import annotations

from collections import Counter
from typing import Any

from pipeline.generation.verdicts import STATUSES
from pipeline.output.shards import markers
from pipeline.run import read_run
from pipeline.storage.files import Location
from pipeline.storage.log import reports


def status(output: Location) -> dict[str, Any]:
    """Counts, speed and what is left.

    Raises:
        UserError: not the output of a run.
    """
    run = read_run(output)
    last = {report["batch"]: report for report in reports(output)}
    statuses: Counter[str] = Counter()
    accepted: Counter[str] = Counter()
    for report in last.values():
        statuses.update(report["statuses"])
        accepted.update(report["accepted"])
    computed, seconds = sum(statuses.values()), sum(report["seconds"] for report in last.values())
    if run["complete"]:
        # A corpus made from others has no log, and filters at publication change what workers reported.
        counts = run["counts"]
        statuses = Counter({name: counts[name] for name in STATUSES})
        accepted = Counter(
            {
                name: count["accepted"]
                for name, count in counts["emotions"].items()
                if count["accepted"]
            }
        )
    done = sum(statuses.values())
    return {
        "output": str(output),
        "fingerprint": run["fingerprint"],
        "complete": run["complete"],
        "requests": run["requests"],
        "done": done,
        **{name: statuses[name] for name in STATUSES},
        "accepted_per_emotion": dict(sorted(accepted.items())),
        "shards": len(markers(output)),
        "worker_seconds": round(seconds, 1),
        "images_per_worker_second": round(computed / seconds, 3) if seconds else None,
    }


def as_text(state: dict[str, Any]) -> str:
    share = state["done"] / state["requests"] if state["requests"] else 1.0
    each = (
        ", ".join(f"{name} {count}" for name, count in state["accepted_per_emotion"].items())
        or "none"
    )
    speed = state["images_per_worker_second"]
    return "\n".join(
        [
            f"{state['output']}: {'complete' if state['complete'] else 'not complete'}",
            f"  requests  {state['done']} of {state['requests']} ({share:.0%})",
            f"  accepted  {state['accepted']} ({each})",
            f"  rejected  {state['rejected']}",
            f"  failed    {state['failed']}",
            f"  shards    {state['shards']}",
            f"  speed     {f'{speed} images per worker and second' if speed else 'not known yet'}",
        ]
    )
