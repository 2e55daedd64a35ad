"""What the local page shows of a corpus: rows that match, pictures, single samples, flags."""

from __future__ import annotations

import json
import shlex
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.corpora.flags import FLAGS, Flags, alone, is_key, read_flags, write_flags
from pipeline.errors import UserError
from pipeline.generation.verdicts import ACCEPTED, REJECTED
from pipeline.output.rows import json_value, target_name
from pipeline.storage.files import Location
from pipeline.view.columns import OPERATORS, Columns, Query, QueryError, as_shown
from pipeline.view.pictures import Pictures
from pipeline.view.rows import FinishedRows, Part, RowGroup, finished_rows
from pipeline.view.sample import traces
from pipeline.view.sources import SourceFinder
from pipeline.view.thumbnails import Thumbnails, source_thumbnail, thumbnail_of

MAX_ITEMS = 1000
"""Items that one request may ask for."""

MAX_PROMPT = 200
"""Characters of a prompt in the grid."""

MAX_THUMBNAILS = 64 << 20
"""Bytes of thumbnails that are kept in memory."""

FLAG = "flag"
"""The column of flags, which is none of the metadata."""

ITEM_COLUMNS = (
    "key",
    "status",
    "task",
    "emotion",
    "mixture",
    "judge_confidence",
    "prompt",
    "shard",
)

PLACE_COLUMNS = ("key", "shard", "file")
"""The columns that say where a picture is."""


@dataclass(frozen=True)
class Answer:
    """The rows that match a query, by their positions."""

    query: Query
    positions: np.ndarray[Any, Any]


class Browser:
    """One corpus, as it was when it was opened or reloaded. Its methods may be called on threads.

    Args:
        flags_path: where flags are saved.
        manifest: where the manifest is now; None for where the run read it.
    """

    def __init__(self, output: Location, flags_path: Location, manifest: str | None = None):
        self.output, self.flags_path, self.manifest = output, flags_path, manifest
        self.lock = threading.RLock()
        self.version = 0
        self.reload()

    def reload(self) -> None:
        """Read again what is finished.

        Raises:
            UserError: see `finished_rows` and `read_flags`.
        """
        rows = finished_rows(self.output)
        flags = read_flags(self.flags_path, rows.run)
        with self.lock:
            self.rows: FinishedRows = rows
            self.columns = Columns(rows)
            self.group: RowGroup | None = None
            self.flags: Flags = flags
            self.pictures = Pictures(self.output)
            self.tar_locks: dict[str | None, threading.Lock] = {}
            self.sources = SourceFinder(rows.run, self.output, self.manifest)
            self.answers: OrderedDict[int, Answer] = OrderedDict()
            self.thumbnails = Thumbnails(MAX_THUMBNAILS)
            self.version += 1

    def summary(self) -> dict[str, Any]:
        """What the page says of the corpus as a whole."""
        run = self.rows.run
        places = str(self.output), "--flags", str(self.flags_path)
        return {
            "output": str(self.output),
            "complete": run.complete,
            "requests": run.requests,
            "finished": self.rows.count,
            "version": self.version,
            "emotions": run.config["taxonomy"]["labels"],
            "columns": self.columns.kinds(),
            "operators": OPERATORS,
            "flags": self._flag_counts(),
            "flags_path": str(self.flags_path),
            "command": shlex.join(["muse-batch", "refilter", *places, "--output", "picked"]),
        }

    def query(self, values: Any) -> dict[str, Any]:
        """Which rows match; the answer is kept under a number.

        Raises:
            QueryError: that cannot be asked.
        """
        query = Query.of(values)
        flags = [c for c in query.conditions if c.column == FLAG]
        others = tuple(c for c in query.conditions if c.column != FLAG)
        positions = self.columns.matching(Query(others, query.sort, query.descending))
        for condition in flags:
            positions = self._flagged(positions, condition.value)
        with self.lock:
            number = next(reversed(self.answers), 0) + 1
            self.answers[number] = Answer(query, positions)
            if len(self.answers) > 4:
                self.answers.popitem(last=False)
        return {"id": number, "total": len(positions), "version": self.version}

    def items(self, answer: int, start: int, count: int) -> list[dict[str, Any]]:
        """Rows of an answer, as the grid shows them.

        Raises:
            QueryError: the answer is no longer known, or too many rows are asked for.
        """
        with self.lock:
            known = self.answers.get(answer)
        if known is None or start < 0 or not 0 < count <= MAX_ITEMS:
            raise QueryError("no such rows; ask again")
        positions = [int(position) for position in known.positions[start : start + count]]
        rows = self.columns.items(positions, ITEM_COLUMNS)
        return [self._item(p, row) for p, row in zip(positions, rows, strict=True)]

    def _item(self, position: int, row: Mapping[str, Any]) -> dict[str, Any]:
        prompt = row["prompt"]
        return {
            "position": position,
            "key": row["key"],
            "status": row["status"],
            "task": row["task"],
            "target": target_name(row),
            "confidence": row["judge_confidence"],
            "prompt": prompt if len(prompt) <= MAX_PROMPT else f"{prompt[:MAX_PROMPT]}…",
            "pictured": self._is_pictured(row),
            FLAG: self.flags.by_key.get(row["key"]),
        }

    def _is_pictured(self, row: Mapping[str, Any]) -> bool:
        """Whether a sample's image was kept, as far as its row shows."""
        # A rejected sample whose batch is in no shard yet names no shard.
        kept: bool = self.rows.run.config["keep_rejected"] and row["status"] == REJECTED
        return row["status"] == ACCEPTED or row["shard"] is not None or kept

    def sample(self, position: int) -> dict[str, Any]:
        """All that is known of one sample.

        Raises:
            IndexError: there is no such row.
        """
        part, row = self._row(position)
        layout, named = self.rows.layout, {}
        grouped: set[str] = set()
        for group in ("target", "judge", "guide"):
            named[group] = json_value(layout.members(row, group))
            grouped |= set(layout.groups.get(group, {}).values())
        plain = {name: as_shown(row[name]) for name in row if name not in grouped}
        return {
            "position": position,
            "row": {name: value for name, value in plain.items() if name not in traces()},
            "traces": {name: json.loads(row[name] or "[]") for name in traces()},
            "groups": named,
            "target": target_name(row),
            "place": self._place(part, row),
            "pictured": self._is_pictured(row),
            "source": self._source_reason(row),
            FLAG: self.flags.by_key.get(row["key"]),
        }

    def _place(self, part: Part, row: Mapping[str, Any]) -> str:
        """Where the picture is, in words."""
        if part.batch is not None:
            return f"{part.name}, not in a shard yet"
        if not row["shard"]:
            return "its image was not kept"
        try:
            with self._lock_of(row["shard"]):
                member = self.pictures.members(row["shard"])[row["file"]]
        except (UserError, KeyError, OSError) as error:
            return f"{row['shard']}: damaged ({error})"
        return f"{row['file']} in {row['shard']}, {member.size:,} bytes from byte {member.offset:,}"

    def _source_reason(self, row: Mapping[str, Any]) -> dict[str, Any] | None:
        """Whether the source image of an edit can be shown, and why not; None if it is no edit."""
        if row["task"] != "edit":
            return None
        found = self.sources.source(row)
        shown = {"found": found.image is not None, "reason": found.reason}
        return {**shown, "outlined": found.mask is not None}

    def picture(self, position: int) -> bytes | None:
        """The encoded image of a sample; None if it has none.

        Raises:
            IndexError: there is no such row.
            UserError: the tar is damaged.
        """
        part = self.rows.part_at(position)
        # Of these columns alone: a whole row is read with thousands of others.
        row = {name: self.columns.column(name)[position].as_py() for name in PLACE_COLUMNS}
        with self._lock_of(row["shard"]):
            return self.pictures.encoded(part, row)

    def _lock_of(self, tar: str | None) -> threading.Lock:
        """Held while a tar is looked at: the first time it is read whole, which takes long if it is
        large, and the rest of the page has to answer meanwhile."""
        with self.lock:
            return self.tar_locks.setdefault(tar, threading.Lock())

    def thumbnail(self, position: int, side: int) -> bytes | None:
        """The same, small, as WebP.

        Raises:
            IndexError, UserError, UnreadableImageError: see `picture` and `thumbnail_of`.
        """
        with self.lock:
            if known := self.thumbnails.get((position, side)):
                return known
        encoded = self.picture(position)
        if encoded is None:
            return None
        small = thumbnail_of(encoded, side)
        with self.lock:
            self.thumbnails.keep((position, side), small)
        return small

    def source(self, position: int, side: int) -> bytes | None:
        """The source image of an edit as WebP, with its mask's outline; None if it cannot be shown.

        Raises:
            IndexError: there is no such row.
        """
        _, row = self._row(position)
        found = self.sources.source(row) if row["task"] == "edit" else None
        if found is None or found.image is None:
            return None
        return source_thumbnail(found.image, found.mask, side)

    def flag(self, keys: Sequence[Any], flag: Any) -> dict[str, Any]:
        """Put a flag on samples, or take theirs away (None), and save all flags.

        Raises:
            QueryError: not keys of this corpus, or no flag.
            UserError, OSError: the file cannot be read or written.
        """
        if flag is not None and flag not in FLAGS:
            raise QueryError(f"{flag!r} is no flag")
        for key in keys:
            if not is_key(key, self.rows.run.requests):
                raise QueryError(f"{str(key)[:40]!r} is no key of this corpus")
        with self.lock, alone(self.flags_path):
            # Another page may have saved flags meanwhile: only this change is made to them.
            saved = read_flags(self.flags_path, self.rows.run)
            self.flags = saved.changed(list(keys), flag)
            write_flags(self.flags_path, self.flags)
        return self._flag_counts()

    def _flag_counts(self) -> dict[str, int]:
        counts = self.flags.described()
        return {flag: counts[flag] for flag in FLAGS}

    def _flagged(self, positions: np.ndarray[Any, Any], flag: str) -> np.ndarray[Any, Any]:
        """Those of the positions whose samples have that flag; any, or none, as it may ask."""
        keys = [key for key, had in self.flags.by_key.items() if flag in ("any", "none", had)]
        column = self.columns.column("key")
        has = pc.is_in(column, pa.array(keys, column.type)).to_numpy()[positions]
        return positions[has != (flag == "none")]

    def _row(self, position: int) -> tuple[Part, dict[str, Any]]:
        """A row with all its columns. Those around it are kept: they are looked at next."""
        with self.lock:
            if self.group is None or position not in self.group:
                self.group = self.rows.group_at(position)
            return self.group.part, self.group.row(position)
