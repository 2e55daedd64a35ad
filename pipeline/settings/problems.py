"""A problem of the settings as one line: the key, the value, and what to write instead."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from muse.method import SCHEDULER_VALUE, Settings
from pipeline.settings.fields import fields_of, is_table, kind
from pipeline.settings.old_names import RENAMED, refusal

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo
    from pydantic_core import ErrorDetails

SIMILAR = 0.6
"""The similarity, in [0, 1], from which a name is suggested."""

MAX_SHOWN = 80
"""Characters of a value that a message shows."""

INNER_KINDS = {
    "string_type": "text",
    "float_type": "a number",
    "finite_number": "a number",
    "dict_type": "a table",
    "mapping_type": "a table",
    "scheduler_value": SCHEDULER_VALUE,
}
"""What stands within tables and lists, by the type of pydantic's error."""


def describe(schema: type[Settings], error: ErrorDetails) -> tuple[str, str]:
    """The dotted key of one of pydantic's errors, and the problem in our words."""
    key = ".".join(map(str, error["loc"]))
    known = dict(fields_of(schema))
    value = error["input"]
    if old := _refusal_of_value(key, value, known):
        return key, old
    if error["type"] == "extra_forbidden":
        return unknown(schema, key, value)
    if error["type"] == "value_error":
        return key, str(error["ctx"]["error"])
    expected = INNER_KINDS.get(error["type"], "another value")
    if key in known:
        expected = kind(known[key], whole=error["type"] == "less_than_equal")
    if key in known and is_table(known[key]):
        return key, f"{key} is {_shown(value)}; it is a table of its own: [{key}]"
    return key, f"{key} is {_shown(value)}; give {expected}"


def unknown(schema: type[Settings], key: str, value: Any) -> tuple[str, str]:
    """The problem with a key that is no setting: its new name, or the nearest one of any table."""
    known = dict(fields_of(schema))
    if old := refusal(key, value):
        return key, old
    shown = key[:MAX_SHOWN] if key.strip() and key.isprintable() else repr(key[:MAX_SHOWN])
    near = nearest(key, isinstance(value, Mapping), known)
    if near == key:
        table, _, name = key.rpartition(".")
        return key, f"unknown key {shown}, as one word; {name} stands in the table {table}"
    if near:
        return key, f"unknown key {shown}; did you mean {near}?"
    return key, f"unknown key {shown}; `muse-batch config` prints all settings"


def nearest(key: str, is_a_table: bool, known: Mapping[str, FieldInfo]) -> str | None:
    """The known key most similar to `key`, in whichever table it is; None if none is similar.

    Where a former name of a key is the most similar one, that key.
    """
    scores = {}
    former: dict[str, str] = {}
    for name, field in known.items():
        if is_table(field) != is_a_table:
            continue
        # `steps` means `method.steps`, and `method.step` means it even more.
        table, _, last = key.rpartition(".")
        known_table, _, known_last = name.rpartition(".")
        scores[name] = (_similarity(last, known_last), table == known_table)
    for old, new in RENAMED.items():
        if new in scores and old not in known:
            score = (_similarity(key.rpartition(".")[2], old.rpartition(".")[2]), False)
            scores[old], former[old] = score, new
    best = max(scores, key=lambda name: scores[name], default=None)
    if best is None or scores[best][0] < SIMILAR:
        return None
    return former.get(best, best)


def _similarity(one: str, other: str) -> float:
    return difflib.SequenceMatcher(None, one.lower(), other, autojunk=False).ratio()


def _refusal_of_value(key: str, value: Any, known: Mapping[str, FieldInfo]) -> str | None:
    return refusal(key, value) if key in known else None


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}..."
