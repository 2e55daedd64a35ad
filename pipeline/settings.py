"""Settings as they are given: defaults, a TOML file, `--set` and flags, held against a schema (`pipeline.config`)."""

from __future__ import annotations

import copy
import dataclasses
import difflib
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from muse.emotions import Taxonomy
from muse.emotions.taxonomies import load_taxonomy
from muse.method import Method
from pipeline.config import Config, Images, Null
from pipeline.errors import UserError

MOST_BYTES = 1_000_000
"""Of a config file."""

TABLES: dict[str, type] = {"method": Method, "images": Images, "null": Null}
"""Settings that are tables of their own."""


def _coerce(name: str, value: Any, kind: Any) -> Any:
    """`value` as a field of type `kind` (its annotation), or a `UserError`."""
    if kind in ("bool", bool) and isinstance(value, bool):
        return value
    if kind in ("int", int) and isinstance(value, int) and not isinstance(value, bool):
        return value
    if kind in ("float", float) and isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    if kind in ("str", str) and isinstance(value, str):
        return value
    if (
        kind == "tuple[str, ...]"
        and isinstance(value, (list, tuple))
        and all(isinstance(v, str) for v in value)
    ):
        return tuple(v.strip().lower() if name == "emotions" else v.strip() for v in value)
    if kind == "Taxonomy" and isinstance(value, Mapping):
        return Taxonomy.of(value)
    if kind == "Taxonomy" and isinstance(value, str):
        try:
            return load_taxonomy(value)
        except ValueError as error:
            raise UserError(f"config: {name}: {error}") from None
    if (
        kind == "Mapping[str, str]"
        and isinstance(value, Mapping)
        and all(isinstance(v, str) for v in value.values())
    ):
        return dict(value)
    if kind == "Mapping[str, Mapping[str, str]]" and isinstance(value, Mapping):
        return {
            key: _coerce(f"{name}.{key}", inner, "Mapping[str, str]")
            for key, inner in value.items()
        }
    if kind == "Mapping[str, float]" and isinstance(value, Mapping):
        return {key: _coerce(f"{name}.{key}", each, "float") for key, each in value.items()}
    text = repr(value)
    raise UserError(
        f"config: {name} = {text if len(text) <= 80 else f'{text[:80]}...'} is not of type {kind}"
    )


def _build(cls: type, values: Mapping[str, Any], prefix: str = "") -> Any:
    fields = {field.name: field for field in dataclasses.fields(cls)}
    given: dict[str, Any] = {}
    for key, value in values.items():
        if key not in fields:
            key = key[:80] if key.isprintable() else repr(key[:80])
            near = difflib.get_close_matches(key, fields, n=1, cutoff=0.0)[0]
            raise UserError(
                f"config: unknown key {prefix}{key}; did you mean {prefix}{near}? Known: {', '.join(fields)}"
            )
        if cls is Config and key in TABLES:
            if not isinstance(value, Mapping):
                raise UserError(f"config: {key} is a table of its own: [{key}]")
            given[key] = _build(TABLES[key], value, f"{key}.")
        else:
            given[key] = _coerce(prefix + key, value, fields[key].type)
    try:
        return cls(**given)
    except ValueError as error:
        raise UserError(f"config: {prefix}{error}") from None


def _assign(values: dict[str, Any], assignment: str) -> None:
    """Apply one `--set key=value`; the value is TOML, bare words are strings."""
    key, mark, text = assignment.partition("=")
    if not mark or not key.strip():
        raise UserError(f"--set {assignment!r}: write key=value, as in --set method.steps=30")
    try:
        parsed = tomllib.loads(f"v = {text}")
        value = parsed["v"] if len(parsed) == 1 else text.strip()
    except (tomllib.TOMLDecodeError, RecursionError):
        value = text.strip()
    *tables, leaf = key.strip().split(".")
    for table in tables:
        values = values.setdefault(table, {})
        if not isinstance(values, dict):
            raise UserError(f"--set {assignment!r}: {table} is not a table")
    values[leaf] = value


def load_config(file: Path | None, assignments: Sequence[str], flags: Mapping[str, Any]) -> Config:
    """The run's settings. `flags` that are None were not given.

    Raises:
        UserError: see `load`.
    """
    config: Config = load(Config, file, assignments, flags)
    return config


def load(
    schema: type, file: Path | None, assignments: Sequence[str], flags: Mapping[str, Any]
) -> Any:
    """An instance of the dataclass `schema` from a TOML file, assignments and flags, the later ones first.

    Raises:
        UserError: unreadable file, unknown key (with the nearest), wrong type, or a value out of range.
    """
    values: dict[str, Any] = {}
    if file is not None:
        try:
            if not file.is_file():
                raise OSError("there is no such file")
            if file.stat().st_size > MOST_BYTES:
                raise OSError(f"it has more than {MOST_BYTES:,} bytes")
            values = tomllib.loads(file.read_text())
        except RecursionError:
            raise UserError(f"--config {file}: nested too deeply") from None
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"--config {file}: cannot be read ({error})") from None
        except tomllib.TOMLDecodeError as error:
            raise UserError(f"--config {file}: not valid TOML: {error}") from None
    for assignment in assignments:
        _assign(values, assignment)
    values.update({key: value for key, value in flags.items() if value is not None})
    return _build(schema, values)


def revised(
    stored: Mapping[str, Any], assignments: Sequence[str], flags: Mapping[str, Any]
) -> Config:
    """Settings as `run.json` stores them, with some of them changed.

    Raises:
        UserError: as `load_config`.
    """
    values: dict[str, Any] = copy.deepcopy(dict(stored))
    for assignment in assignments:
        _assign(values, assignment)
    values.update({key: value for key, value in flags.items() if value is not None})
    config: Config = _build(Config, values)
    return config
