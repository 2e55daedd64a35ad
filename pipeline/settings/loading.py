"""Settings as they are given: defaults, a TOML file, `--set` and flags, validated by a model.

Every problem is reported with where the value came from, its key, the value, and what to write.
"""

from __future__ import annotations

import copy
import json
import os
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from muse.method import Settings
from pipeline.config import HIDDEN, Config
from pipeline.config_models import NO_LONGER
from pipeline.config_sources import Sources
from pipeline.config_tables import Faults
from pipeline.errors import UserError
from pipeline.settings.problems import describe, unknown
from pipeline.storage.addresses import is_utf8

S = TypeVar("S", bound=Settings)

MAX_BYTES = 1_000_000
"""Of a config file."""

FLAGS = {"gpu_hour_price": "--price"}
"""Options that are not called as their setting is."""

FAULTS_VARIABLE = "MUSE_BATCH_TEST_FAULTS"
"""Environment variable with the faults of the null engine as JSON; for tests alone."""


class SourcedValues:
    """The values that a user gave, and where each of them came from.

    Attributes:
        values: nested tables, as a TOML file has them.
        sources: dotted keys to the option that gave them last.
    """

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self.sources = Sources()

    def add(self, values: Mapping[str, Any], source: str) -> None:
        """Whole entries, each of which replaces the one before."""
        for key, value in values.items():
            self.values[key] = value
            self.sources[key] = source

    def assign(self, assignment: str) -> None:
        """One `--set key=value`; the value is TOML, bare words are text.

        Raises:
            UserError: no such form.
        """
        key, mark, text = assignment.partition("=")
        if not mark or not key.strip():
            raise UserError(f"--set {assignment!r}: write key=value, as in --set method.steps=30")
        *tables, leaf = key.strip().split(".")
        values = self.values
        for table in tables:
            values = values.setdefault(table, {})
            if not isinstance(values, dict):
                raise UserError(f"--set {assignment!r}: {table} is not a table")
        values[leaf] = _parsed(text)
        self.sources[key.strip()] = "--set"

    def quoting(self, key: str) -> str:
        """How to write a list by `--set`, if a shell has taken the quotes out of this one."""
        value: Any = self.values
        for part in key.split("."):
            value = value.get(part) if isinstance(value, dict) else None
        if self.sources.of(key) != "--set" or not isinstance(value, str) or value[:1] != "[":
            return ""
        return f""". A shell takes quotes away; put others around all: --set '{key}=["a", "b"]'"""


def load_config(
    file: Path | None,
    assignments: Sequence[str],
    flags: Mapping[str, Any],
    source: str | None = None,
) -> Config:
    """The run's settings.

    Args:
        flags: settings by name; those that are None were not given.
        source: where they came from, if not from the options of a command.

    Raises:
        UserError: see `load`.
    """
    config = load(Config, file, assignments, flags, source)
    faults = os.environ.get(FAULTS_VARIABLE)
    return config if faults is None else config.replace(faults=_faults(faults))


def load(
    schema: type[S],
    file: Path | None,
    assignments: Sequence[str],
    flags: Mapping[str, Any],
    source: str | None = None,
) -> S:
    """Settings from a TOML file, then assignments, then flags; the later ones win.

    Raises:
        UserError: an unreadable file; or all unknown keys (with the nearest known one), wrong types
            and values out of range at once, a line each; or an assignment that a flag contradicts.
    """
    given = SourcedValues()
    if file is not None:
        given.add(_read(file), f"--config {file}")
    return _build(schema, given, assignments, flags, source)


def revised(
    stored: Mapping[str, Any],
    assignments: Sequence[str],
    flags: Mapping[str, Any],
    source: str | None = None,
) -> Config:
    """Settings as `run.json` stores them, with some of them changed.

    Those that are gone are left out: what is made of a finished corpus does not depend on them.

    Raises:
        UserError: as `load`.
    """
    known = {name: value for name, value in stored.items() if name not in NO_LONGER}
    given = SourcedValues()
    given.add(copy.deepcopy(known), "run.json")
    return _build(Config, given, assignments, flags, source, hidden=())


def _build(
    schema: type[S],
    given: SourcedValues,
    assignments: Sequence[str],
    flags: Mapping[str, Any],
    source: str | None,
    hidden: Sequence[str] = HIDDEN,
) -> S:
    for assignment in assignments:
        given.assign(assignment)
    for name, value in flags.items():
        if value is None:
            continue
        if given.sources.get(name) == "--set" and given.values[name] != value:
            flag, assigned = as_written(value), as_written(given.values[name])
            raise UserError(f"{flag_of(name)} {flag} and --set {name}={assigned}: give one of them")
        given.add({name: value}, source or flag_of(name))
    # Hidden fields would be accepted by the schema; to users they are unknown.
    values = {key: value for key, value in given.values.items() if key not in hidden}
    errors = [unknown(schema, key, given.values[key]) for key in given.values.keys() - values]
    for key, text in _not_utf8(values):
        errors.append((key, f"{key} is {text!r}, which is not UTF-8; write or name it in that"))
    try:
        settings = schema.model_validate(values)
    except ValidationError as error:
        errors += [describe(schema, details) for details in error.errors()]
    if errors:
        lines = [f"{given.sources.of(key)}: {text}{given.quoting(key)}" for key, text in errors]
        raise UserError("\n".join(dict.fromkeys(lines)))
    return settings.from_sources(given.sources) if isinstance(settings, Config) else settings


def _not_utf8(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """The texts within settings that cannot be stored, each with its dotted key."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _not_utf8(inner, f"{key}.{name}" if key else str(name))
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _not_utf8(inner, key)
    elif isinstance(value, str) and not is_utf8(value):
        yield key, value


def flag_of(name: str) -> str:
    """The option of a command that gives a setting."""
    return FLAGS.get(name) or f"--{name.replace('_', '-')}"


def as_written(value: Any) -> str:
    """A value as it is written on a command line: a list with commas."""
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


def _parsed(text: str) -> Any:
    """The value of an assignment: TOML, or text without quotes."""
    try:
        parsed = tomllib.loads(f"v = {text}")
    # A number of thousands of digits is a ValueError of another kind.
    except (ValueError, RecursionError):
        return text.strip()
    return parsed["v"] if len(parsed) == 1 else text.strip()


def _faults(text: str) -> Faults:
    try:
        return Faults.model_validate(json.loads(text))
    except ValueError as error:
        raise UserError(f"{FAULTS_VARIABLE}: {error}") from None


def _read(file: Path) -> dict[str, Any]:
    try:
        if not file.exists():
            raise OSError("there is no such file")
        if not file.is_file():
            # To open a pipe could wait for ever.
            raise OSError("it is not a regular file")
        if file.stat().st_size > MAX_BYTES:
            raise OSError(f"it has more than {MAX_BYTES:,} bytes")
        return tomllib.loads(file.read_text("utf-8-sig"))
    except RecursionError:
        raise UserError(f"--config {file}: nested too deeply") from None
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or error
        raise UserError(f"--config {file}: cannot be read ({why})") from None
    except ValueError as error:
        raise UserError(f"--config {file}: not valid TOML: {error}") from None
