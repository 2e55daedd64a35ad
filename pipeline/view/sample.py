"""One sample of a corpus, and where it is: `muse-batch show`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.errors import UserError
from pipeline.output.records import FIELDS, KIND, TRACE
from pipeline.output.rows import RowLayout, json_value, target_name
from pipeline.planning.plan import KEY_DIGITS
from pipeline.storage.files import Location
from pipeline.view.pictures import Member, Pictures
from pipeline.view.rows import FinishedRows, finished_rows

MAX_SHOWN_KEY = 2 * KEY_DIGITS
"""Characters of a wrong key that a message quotes."""

MAX_VALUE = 400
"""Characters of a value that are printed."""

TARGETED = ("judge_confidence", "guide_confidence")
"""Columns beside the name of the strongest emotion, of which they do not speak."""

GROUPS = ("target", "judge", "guide")
"""Groups of columns with a number for each emotion, which are printed in one line each."""


@dataclass(frozen=True)
class Sample:
    """A sample as `show` prints it.

    Attributes:
        row: all its columns.
        layout: of these.
        place: the file that holds its files, relative to the output; None if it has no image.
        members: its files in that tar by name; empty if it is not in a tar.
        image: encoded; None if none was made or kept.
    """

    row: Mapping[str, Any]
    layout: RowLayout
    place: str | None
    members: Mapping[str, Member]
    image: bytes | None

    def as_json(self) -> dict[str, Any]:
        """What JSON can hold of it: all but the picture."""
        members = {name: vars(member) for name, member in self.members.items()}
        row = {name: json_value(value) for name, value in self.row.items()}
        return {"row": row, "place": self.place, "members": members}


def find_sample(output: Location, key: str) -> Sample:
    """The sample with that key.

    Raises:
        UserError: not the output of a run, damaged, or no finished request has that key.
    """
    rows = finished_rows(output)
    # A short number is the key without its zeros.
    if _is_number(key):
        key = key.zfill(KEY_DIGITS)
    position = rows.position_of(key)
    if position is None:
        raise UserError(_unknown(rows, key))
    part, row = rows.take([position])[position]
    pictures = Pictures(output)
    image = pictures.encoded(part, row)
    place, members = None, {}
    if image is not None and part.batch is not None:
        place = part.name
    elif row["shard"] is not None:
        place = row["shard"]
        found = pictures.members(place)
        members = {name: found[name] for name in found if name.partition(".")[0] == key}
    return Sample(row, rows.layout, place, members, image)


def traces() -> tuple[str, ...]:
    """The columns that hold a list for each step or attempt."""
    return tuple(field.name for field in FIELDS if field.metadata[KIND] == TRACE)


def as_text(sample: Sample) -> str:
    """A sample as a person reads it: every column that has a value, then where its files are."""
    groups = {column for name in GROUPS for column in sample.layout.groups.get(name, {}).values()}
    lines: list[tuple[str, str]] = []
    for name, value in sample.row.items():
        if name not in groups and value is not None and value != "":
            of = f" (of the target, {target_name(sample.row)})" if name in TARGETED else ""
            lines.append((name, _shortened(f"{value}{of}")))
    for name in GROUPS:
        if numbers := _probabilities(sample.layout.members(sample.row, name)):
            lines.append((name, numbers))
    lines.append(("stored in", sample.place or "no file: its image was not kept"))
    for name, member in sample.members.items():
        lines.append((f"  {name}", f"{member.size:,} bytes from byte {member.offset:,} of the tar"))
    width = max(len(name) for name, _ in lines)
    return "\n".join(f"{name:{width}}  {value}" for name, value in lines)


def _probabilities(values: Mapping[str, float | None]) -> str:
    """The emotions with a number above zero, the largest first; empty if there are none."""
    known = {name: value for name, value in values.items() if value}
    ranked = sorted(known.items(), key=lambda item: -item[1])
    return ", ".join(f"{name} {value:.2f}" for name, value in ranked)


def _shortened(text: str) -> str:
    line = " ".join(text.split())
    if len(line) <= MAX_VALUE:
        return line
    return f"{line[:MAX_VALUE]}... ({len(text):,} characters; --json shows all)"


def _is_number(key: str) -> bool:
    return key.isascii() and key.isdigit() and len(key) <= KEY_DIGITS


def _unknown(rows: FinishedRows, key: str) -> str:
    """The message for a key that no finished request has."""
    shown = key if len(key) <= MAX_SHOWN_KEY else f"{key[:MAX_SHOWN_KEY]}..."
    if _is_number(key) and int(key) < rows.run.requests:
        return f"{rows.output}: request {key} is planned, but not finished yet"
    return (
        f"{rows.output} has no key {shown}; its keys are {0:0{KEY_DIGITS}d} to "
        f"{rows.run.requests - 1:0{KEY_DIGITS}d}"
    )
