"""Flags that people put on samples by hand: a small parquet file, which `refilter` honours."""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import UserError
from pipeline.output.records import from_parquet
from pipeline.output.run.run_file import RunFile
from pipeline.planning.plan import KEY_DIGITS
from pipeline.storage.files import Location, json_bytes, write_bytes
from pipeline.storage.regular import SpecialFileError, read_file
from pipeline.storage.remote import Remote

FLAGS_FILE = "flags.parquet"

ACCEPT, REJECT = "accept", "reject"
FLAGS = (ACCEPT, REJECT)

RUN = b"fingerprint"
"""Key in the file's metadata of the fingerprint of the run that the keys belong to."""

SCHEMA = pa.schema([("key", pa.string()), ("flag", pa.string())])


@dataclass(frozen=True)
class Flags:
    """Flags of the samples of one run.

    Attributes:
        fingerprint: of the run.
        by_key: `accept` or `reject` by the sample's key.
        table: the file that they were read from, whose further columns are kept; None without one.
    """

    fingerprint: str
    by_key: Mapping[str, str] = field(default_factory=dict)
    table: pa.Table | None = field(default=None, compare=False, repr=False)

    def changed(self, keys: list[str], flag: str | None) -> Flags:
        """The same with another flag on these samples, or none."""
        kept = {key: value for key, value in self.by_key.items() if key not in set(keys)}
        by_key = kept | (dict.fromkeys(keys, flag) if flag else {})
        return replace(self, by_key=by_key)

    def described(self) -> dict[str, Any]:
        """What the parts of a run that was made by them hold: their digest and counts."""
        digest = hashlib.sha256(json_bytes(dict(self.by_key))).hexdigest()
        counts = Counter(self.by_key.values())
        return {"sha256": digest, **{flag: counts[flag] for flag in FLAGS}}


def write_flags(path: Location, flags: Flags) -> None:
    """Write the flags in the order of their keys, with the further columns of their table."""
    keys = sorted(flags.by_key)
    columns: dict[str, Any] = {"key": keys, "flag": [flags.by_key[key] for key in keys]}
    schema = SCHEMA
    if flags.table is not None:
        rows = {row["key"]: row for row in flags.table.to_pylist()}
        for column in flags.table.schema:
            if column.name not in columns:
                columns[column.name] = [rows.get(key, {}).get(column.name) for key in keys]
                schema = schema.append(column)
    table = pa.table(columns, schema.with_metadata({RUN: flags.fingerprint}))
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    write_bytes(path, sink.getvalue().to_pybytes())


@contextmanager
def alone(path: Location) -> Iterator[None]:
    """While no other process of this machine, and no other page, changes flags in the folder.

    On an object store, and where a file system knows no locks, nobody is kept out.
    """
    if isinstance(path, Remote) or not path.parent.is_dir():
        yield
        return
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        with suppress(OSError):
            fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def read_flags(path: Location, run: RunFile) -> Flags:
    """The flags in a file, which have to be those of that run; none if there is no file.

    Raises:
        UserError: no such flags, or those of another run.
    """
    if not path.exists():
        return Flags(run.fingerprint)
    try:
        table = from_parquet(read_file(path))
        rows = table.select(SCHEMA.names).to_pylist()
    except SpecialFileError:
        raise
    except (pa.ArrowException, KeyError, OSError, ValueError, OverflowError) as error:
        cause = " ".join(str(error).split())[:200]
        raise UserError(f"{path} holds no flags ({cause}); `muse-batch view` writes them") from None
    made_for = (table.schema.metadata or {}).get(RUN, b"").decode(errors="replace")
    if made_for and made_for != run.fingerprint:
        raise UserError(
            f"{path} holds flags of another run (fingerprint {made_for[:12]}, not "
            f"{run.fingerprint[:12]}); their keys would name other samples here"
        )
    by_key: dict[str, str] = {}
    for number, row in enumerate(rows):
        _check(f"{path}: row {number}", row, run.requests)
        if by_key.setdefault(row["key"], row["flag"]) != row["flag"]:
            raise UserError(f"{path}: row {number}: {row['key']} has two different flags")
    return Flags(run.fingerprint, by_key, table)


def given_flags(flags: Any, run: RunFile) -> Flags:
    """Flags that were given in memory, by key.

    Raises:
        UserError: they are no mapping, or one is none of a sample of the run.
    """
    if not isinstance(flags, Mapping):
        raise UserError(
            f"flags is a {type(flags).__name__}; give a dict of {' or '.join(FLAGS)} by key"
        )
    for key, flag in flags.items():
        _check("flags", {"key": key, "flag": flag}, run.requests)
    return Flags(run.fingerprint, dict(flags))


def is_key(key: Any, requests: int) -> bool:
    """Whether a value is the key of a sample of a run with so many requests."""
    text = isinstance(key, str) and key.isascii() and key.isdigit()
    return text and len(key) == KEY_DIGITS and int(key) < requests


def _check(place: str, row: Mapping[str, Any], requests: int) -> None:
    """
    Args:
        place: of the row, as messages name it.

    Raises:
        UserError: a row that names no sample of the run, or no flag.
    """
    key, flag = row["key"], row["flag"]
    if flag not in FLAGS:
        raise UserError(f"{place}: flag is {flag!r}; write {' or '.join(FLAGS)}")
    if not is_key(key, requests):
        raise UserError(
            f"{place}: key is {str(key)[:40]!r}, which is no key of this corpus "
            f"({0:0{KEY_DIGITS}d} to {requests - 1:0{KEY_DIGITS}d})"
        )
