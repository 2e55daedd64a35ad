"""Why requests of a corpus failed, grouped by reason."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import pyarrow.compute as pc

from pipeline.generation.verdicts import FAILED
from pipeline.index.metadata import METADATA_FILE, open_metadata, row_groups
from pipeline.output.run_file import read_run
from pipeline.storage.files import Location

MAX_REASONS, MAX_ROWS = 10, 10
"""Reasons that are listed, and rows of each."""

VARIABLE = re.compile(r"'[^']*'|\d+")
"""Parts of a reason that differ between requests: quoted names, and numbers."""


@dataclass
class _Group:
    """Requests that failed for the same reason: one of the messages, whether all are the same, and
    the rows."""

    example: str
    same: bool = True
    count: int = 0
    rows: list[int] = field(default_factory=list)


def failure_summary(output: Location) -> list[str]:
    """A line for each reason, the most frequent first: how many requests, why, and the manifest's
    rows.

    Args:
        output: a complete corpus.

    Raises:
        UserError: its metadata are damaged.
    """
    groups: dict[str, _Group] = {}
    files = read_run(output).files or {}
    with open_metadata(output, files.get(METADATA_FILE, "")) as metadata:
        for table in row_groups(metadata, ["status", "reason", "row"]):
            failed = table.filter(pc.equal(table["status"], FAILED))
            for request in failed.to_pylist():
                reason, row = request["reason"], request["row"]
                group = groups.setdefault(VARIABLE.sub("...", reason), _Group(reason))
                group.same &= reason == group.example
                group.count += 1
                if len(group.rows) < MAX_ROWS and row not in group.rows:
                    group.rows.append(row)
    ordered = sorted(groups.values(), key=lambda group: -group.count)
    lines = [_line(group) for group in ordered[:MAX_REASONS]]
    if (more := len(ordered) - MAX_REASONS) > 0:
        lines.append(f"and {more} more reasons")
    return lines


def _line(group: _Group) -> str:
    rows = ", ".join(map(str, group.rows))
    ellipsis = ", ..." if group.count > len(group.rows) and len(group.rows) == MAX_ROWS else ""
    introduction = "failed" if group.same else "failed, for example"
    return f"{group.count} {introduction}: {group.example} (row {rows}{ellipsis})"
