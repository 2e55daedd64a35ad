"""The fields of a settings model: their dotted keys, and the values that they take, in words."""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping
from typing import Any, Literal, get_args, get_origin

from pydantic.fields import FieldInfo

from muse.emotions import Taxonomy
from muse.method import Settings
from pipeline.config import HIDDEN

OPEN_ENDED = 2**62
"""An upper limit from which none is shown: it only keeps numbers within 64 bits."""

KINDS: Mapping[Any, str] = types.MappingProxyType(
    {
        int: "a whole number",
        float: "a number",
        bool: "true or false",
        str: "text",
        tuple: 'a list of texts, as in ["a", "b"]',
        Mapping: "a table",
        Taxonomy: "the name of a taxonomy, a .toml file or a table",
    }
)
"""Types of settings in words."""


def is_table(field: FieldInfo) -> bool:
    """Whether a field is a model of its own, and so a table of a file."""
    return isinstance(field.annotation, type) and issubclass(field.annotation, Settings)


def fields_of(schema: type[Settings], prefix: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """The settings by dotted key, tables among them and before what they hold."""
    for name, field in schema.model_fields.items():
        if name in HIDDEN:
            continue
        yield prefix + name, field
        if is_table(field):
            yield from fields_of(field.annotation, f"{prefix}{name}.")  # type: ignore[arg-type]


def choices(field: FieldInfo) -> tuple[Any, ...]:
    """The values of a field that has a fixed set of them; otherwise none."""
    return get_args(field.annotation) if get_origin(field.annotation) is Literal else ()


def limits(field: FieldInfo, whole: bool = False) -> str:
    """The limits of a number, both included, as in `from 0 to 1`; empty without any.

    Args:
        whole: name an upper limit that only keeps numbers within 64 bits, too.
    """
    low, high = None, None
    for limit in field.metadata:
        low = getattr(limit, "ge", low)
        high = getattr(limit, "le", high)
    if low is None:
        return ""
    open_ended = high is None or (high >= OPEN_ENDED and not whole)
    return f"from {_number(low)}" if open_ended else f"from {_number(low)} to {_number(high)}"


def kind(field: FieldInfo, whole: bool = False) -> str:
    """The values that a field takes, in words: `a whole number from 1 to 1024`.

    Args:
        whole: as of `limits`.
    """
    if names := choices(field):
        return f"one of {', '.join(names)}"
    if is_table(field):
        return "a table"
    origin = get_origin(field.annotation) or field.annotation
    return f"{KINDS[origin]} {limits(field, whole)}".strip()


def _number(value: Any) -> str:
    return str(int(value)) if value == int(value) else f"{value:g}"
