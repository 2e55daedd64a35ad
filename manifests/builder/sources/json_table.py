"""Tables in lines of JSON, one object each."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa

from manifests import schema
from manifests.arrow_types import NO_TYPE
from manifests.builder.item import BadRow, Skipped, SourceError, refuse
from manifests.builder.sources.text import lines_of
from manifests.check import shown

ROWS_AT_ONCE = 1024

Values = Sequence[tuple[str, Any]]
"""Values of one column, each with its place."""

Rename = Callable[[Sequence[str]], Mapping[str, str]]
"""Gives the names that columns get in the manifest, in their order."""


def parsed_object(text: str | bytes, remedy: str = "write one object") -> dict[str, Any]:
    """The object that a text in JSON is.

    Args:
        remedy: ends the message where it is none.

    Raises:
        ValueError: it is no JSON, no object, or has a key twice.
    """
    try:
        value = json.loads(text, object_pairs_hook=_without_repetition)
    except _RepeatedKeyError as error:
        raise ValueError(str(error)) from None
    except UnicodeDecodeError:
        raise ValueError("is not UTF-8; save it as UTF-8") from None
    except (ValueError, RecursionError) as error:
        raise ValueError(f"is not JSON ({error}); {remedy}") from None
    if not isinstance(value, dict):
        raise ValueError(f"is {shown(value)}; {remedy}")
    return value


class _RepeatedKeyError(Exception):
    """An object has a key twice, of which JSON readers drop one."""


def _without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise _RepeatedKeyError(f"has the key {twice!r} twice; write it once")
    return found


def json_rows(path: str, skipped: Skipped) -> Iterator[tuple[str, dict[str, Any] | BadRow]]:
    for number, line in lines_of(path):
        place = f"line {number}"
        if not line.strip():
            skipped.add("blank line", f"{path} {place}")
            continue
        try:
            yield place, parsed_object(line, "write one object a line")
        except ValueError as error:
            yield place, BadRow(str(error))


def json_schema(path: str, rename: Rename) -> pa.Schema:
    """The columns of all objects under their names in the manifest, with a type that holds the
    values of each. Ours are text: emotions and ids are written in several forms, and each row is
    checked.

    Raises:
        ManifestError: there is no object, or a further column has values without a common type.
    """
    names: dict[str, None] = {}
    found, conflicts = pa.schema([]), dict[str, SourceError]()
    bad: SourceError | None = None
    objects = json_rows(path, Skipped())
    while chunk := list(itertools.islice(objects, ROWS_AT_ONCE)):
        columns: dict[str, list[tuple[str, Any]]] = {}
        for place, values in chunk:
            if isinstance(values, BadRow):
                bad = bad or refuse(path, values.problem, place=place)
                continue
            for name, value in values.items():
                columns.setdefault(name, []).append((place, value))
        names |= dict.fromkeys(columns)
        for name, of_column in columns.items():
            if name in conflicts:
                continue
            try:
                found = _extended(found, name, of_column)
            except NO_TYPE:
                conflicts[name] = _conflict(path, found, name, of_column)
    if not names:
        raise bad or refuse(path, 'holds no object; write one a line, as in {"prompt": "a dog"}')
    # Only what is not ours in the end needs a type of its own.
    renamed = rename(list(names))
    for name, conflict in conflicts.items():
        if renamed[name] not in schema.COLUMNS:
            raise conflict
    types = [pa.string() if renamed[n] in schema.COLUMNS else found.field(n).type for n in names]
    return pa.schema(list(zip(renamed.values(), types, strict=True)))


def _extended(found: pa.Schema, name: str, values: Values) -> pa.Schema:
    """The schema with a column that holds these values, too.

    Raises:
        NO_TYPE: no type does.
    """
    return _unified(found, pa.field(name, pa.array([value for _, value in values]).type))


def _unified(found: pa.Schema, field: pa.Field) -> pa.Schema:
    return pa.unify_schemas([found, pa.schema([field])], promote_options="permissive")


def _conflict(path: str, found: pa.Schema, name: str, values: Values) -> SourceError:
    """The error for the first value that has no type in common with those before it."""
    before = "earlier lines"
    for place, value in values:
        try:
            found = _unified(found, pa.field(name, pa.array([value]).type))
        except NO_TYPE as error:
            message = f"is {shown(value)}, which no column can hold; write it as text"
            if name in found.names and not isinstance(error, OverflowError):
                kind = found.field(name).type
                message = f"is {shown(value)}, but {kind} in {before}; write one type in all lines"
            return refuse(path, message, name, place)
        before = place if value is not None else before
    return refuse(path, "mixes types within its values; write one type in all lines", name)
