"""Tables in lines of JSON, one object each."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Iterator
from typing import Any

import pyarrow as pa

from manifests import schema
from manifests.builder.item import Skipped, refuse
from manifests.builder.sources.text import lines_of
from manifests.check import shown

ROWS_AT_ONCE = 1024


def json_rows(path: str, skipped: Skipped) -> Iterator[tuple[str, dict[str, Any]]]:
    for number, line in lines_of(path):
        place = f"line {number}"
        if not line.strip():
            skipped.add("blank line", f"{path} {place}")
            continue
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:
            message = f"is not JSON ({error}); write one object a line"
            raise refuse(path, message, place=place) from None
        if not isinstance(value, dict):
            raise refuse(path, f"is {shown(value)}; write one object a line", place=place)
        yield place, value


def json_schema(path: str) -> pa.Schema:
    """The columns of all objects, with a type that holds the values of each."""
    found = pa.schema([])
    objects = json_rows(path, Skipped())
    while chunk := list(itertools.islice(objects, ROWS_AT_ONCE)):
        names = dict.fromkeys(name for _, values in chunk for name in values)
        for name in names:
            found = _extended(path, found, name, [(place, v.get(name)) for place, v in chunk])
    if not found.names:
        raise refuse(path, 'holds no object; write one a line, as in {"prompt": "a dog"}')
    return found


def _extended(
    path: str, found: pa.Schema, name: str, values: Iterable[tuple[str, Any]]
) -> pa.Schema:
    """The schema with a column that holds these values, too."""
    if name in (schema.EMOTION, schema.IMAGE, schema.PROMPT):
        # Emotions are written in several forms; all three are checked row by row.
        field = pa.field(name, pa.string())
    else:
        values = list(values)
        try:
            field = pa.field(name, pa.infer_type([value for _, value in values]))
        except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError) as error:
            message = f"mixes types ({shown(str(error))}); write one type in all lines"
            raise refuse(path, message, name, f"{values[0][0]} or later") from None
    try:
        return pa.unify_schemas([found, pa.schema([field])], promote_options="permissive")
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        message = f"changes its type ({shown(str(error))}); write one type in all lines"
        raise refuse(path, message, name) from None
