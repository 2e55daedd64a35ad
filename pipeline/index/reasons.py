"""Why requests of a corpus failed or were rejected, grouped by reason, and whose prompts were
cut."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.generation.verdicts import ACCEPTED, BY_HAND, FAILED, REJECTED

MAX_REASONS, MAX_ROWS = 10, 10
"""Reasons of a status that are listed, and rows or keys of each."""

MAX_KNOWN_REASONS = 1000
"""Reasons that are distinguished; those that come after them in the plan are counted together."""

OTHER_REASONS = "other reasons"

VARIABLE = re.compile(r"'[^']*'|\d+")
"""Parts of a reason that differ between requests: quoted names, and numbers."""

BEFORE_NUMBERS = {"judge": " at ", "quota:": " has its ", "not": ":", "unlike": ":"}
"""By the first word of a rejection, what comes after its target and before its numbers."""

CAUSES = {
    "judge": "the judge does not confirm the target",
    "quota:": "the quota was full",
}
"""By the first word of a rejection, what all of that kind have in common."""

COLUMNS = ["key", "status", "reason", "row", "prompt_truncated"]


@dataclass
class _Group:
    """Requests that ended for the same reason.

    Attributes:
        reason: that of the first of them.
        is_same: whether all have that very reason.
        rows: of the manifest, the first `MAX_ROWS`.
        more_rows: whether there are others.
        keys: of the first samples that were rejected by hand, as the pages name them; a row may
            have others that were not.
    """

    reason: str
    is_same: bool = True
    requests: int = 0
    rows: list[int] = field(default_factory=list)
    more_rows: bool = False
    keys: list[str] = field(default_factory=list)

    def add(self, reason: str, row: int, key: str) -> None:
        self.is_same &= reason == self.reason
        self.requests += 1
        if reason == BY_HAND and len(self.keys) < MAX_ROWS:
            self.keys.append(key)
        if row in self.rows:
            return
        if len(self.rows) < MAX_ROWS:
            self.rows.append(row)
        else:
            self.more_rows = True


class ReasonCounts:
    """Counts of the records that were added, by status and reason."""

    def __init__(self) -> None:
        self._groups: dict[str, dict[str, _Group]] = {FAILED: {}, REJECTED: {}}
        self._cut = _Group("")
        self._most_tokens = 0

    def add(self, table: pa.Table) -> None:
        """Count the records of a shard."""
        table = table.select(COLUMNS)
        ended = table.filter(pc.not_equal(table["status"], ACCEPTED))
        for record in ended.to_pylist():
            self._add_reason(record)
        for record in table.filter(pc.greater(table["prompt_truncated"], 0)).to_pylist():
            self._cut.add("", record["row"], record["key"])
            self._most_tokens = max(self._most_tokens, record["prompt_truncated"])

    def as_dict(self) -> dict[str, Any]:
        """The counts as in `run.json`: of each status the groups, the largest first."""
        counts: dict[str, Any] = {}
        for status, groups in self._groups.items():
            ordered = sorted(groups.values(), key=lambda group: -group.requests)
            more = sum(group.requests for group in ordered[MAX_REASONS:])
            listed = [asdict(group) for group in ordered[:MAX_REASONS]]
            counts[status] = {"reasons": listed, "requests_of_other_reasons": more}
        return counts | {"cut_prompts": asdict(self._cut) | {"most_tokens": self._most_tokens}}

    def causes(self) -> Counter[str]:
        """Rejected requests by what rejected them, whatever their target."""
        found = Counter[str]()
        for kind, group in self._groups[REJECTED].items():
            check = kind.partition(" ")[0]
            found[CAUSES.get(check, kind)] += group.requests
        return found

    def _add_reason(self, record: Mapping[str, Any]) -> None:
        status, reason = record["status"], record["reason"] or ""
        groups = self._groups[status]
        kind = _kind(status, reason)
        if kind not in groups and len(groups) >= MAX_KNOWN_REASONS:
            kind = reason = OTHER_REASONS
        groups.setdefault(kind, _Group(reason)).add(reason, record["row"], record["key"])


def _kind(status: str, reason: str) -> str:
    """What reasons of the same group have in common: of a rejection the check that rejects; by the
    judge also the target that it does not confirm, by a quota the cell that is full."""
    if status != REJECTED:
        return VARIABLE.sub("...", reason)
    check = reason.partition(" ")[0]
    return reason.partition(BEFORE_NUMBERS.get(check, " "))[0]


def reason_lines(reasons: Mapping[str, Any]) -> Iterator[str]:
    """A line for each reason: how many requests, why, and the manifest's rows; of
    those by hand the keys.

    Args:
        reasons: as `ReasonCounts.as_dict` gives them.
    """
    for status in (FAILED, REJECTED):
        counted = reasons[status]
        for group in counted["reasons"]:
            example = "" if group["is_same"] else ", for example"
            yield f"{group['requests']} {status}{example}: {group['reason']} ({_where(group)})"
        if more := counted["requests_of_other_reasons"]:
            targets = " or targets" if status == REJECTED else ""
            yield f"{more} more {status}, for other reasons{targets}"


def cut_prompts_line(reasons: Mapping[str, Any]) -> str | None:
    """How many requests had a prompt that was cut; None without any."""
    cut = reasons["cut_prompts"]
    if not cut["requests"]:
        return None
    return (
        f"{cut['requests']} request(s) had a longer prompt than the text encoder reads; up to "
        f"{cut['most_tokens']} tokens were cut off, as column `prompt_truncated` shows "
        f"({_rows(cut)})"
    )


def _where(group: Mapping[str, Any]) -> str:
    # Counts of earlier releases have no keys.
    keys = group.get("keys")
    if not keys:
        return _rows(group)
    name = "keys" if len(keys) > 1 else "key"
    return f"{name} {', '.join(keys)}{', ...' if group['requests'] > len(keys) else ''}"


def _rows(group: Mapping[str, Any]) -> str:
    rows = ", ".join(map(str, group["rows"]))
    name = "rows" if len(group["rows"]) > 1 else "row"
    return f"{name} {rows}{', ...' if group['more_rows'] else ''}"
