"""How the requests of a corpus ended, as the commands that make one print it at their end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline.cli.console import echo


def print_endings(output: str, counts: Mapping[str, Any], was_complete: bool = False) -> None:
    """One line of how many requests ended in which way, then one for each reason, with rows.

    Args:
        counts: as in `run.json`.
        was_complete: whether this command found the corpus complete.
    """
    from pipeline.index.reasons import cut_prompts_line, reason_lines

    parts = [f"{counts[name]} {name}" for name in ("accepted", "rejected", "failed")]
    before = "was complete already; " if was_complete else ""
    echo(f"{output}: {before}{counts['requests']} requests: {', '.join(parts)}")
    # Corpora of earlier releases have none.
    if (endings := counts.get("endings")) is None:
        return
    lines = list(reason_lines(endings))
    for line in lines:
        echo(f"  {line}", err=True)
    if lines:
        echo(f"  every one: columns status and reason of {output}/metadata.parquet", err=True)
    # No warning: what made the corpus has warned of them before.
    if cut := cut_prompts_line(endings):
        echo(f"  {cut}", err=True)
