"""The columns of a manifest, and one row of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

PROMPT, IMAGE, EMOTION, ID, SEED, NEGATIVE = (
    "prompt",
    "image",
    "emotion",
    "id",
    "seed",
    "negative_prompt",
)
COLUMNS = (PROMPT, IMAGE, EMOTION, ID, SEED, NEGATIVE)


@dataclass(frozen=True)
class Row:
    """One row of a manifest, as checked.

    Attributes:
        number: position in the manifest, from 0.
        prompt: the content in words.
        image: None to generate; a path, a URL or the encoded bytes to edit.
        emotions: a map of names to weights for each request that the row asks for; empty = every emotion of the run.
        id: the user's own name for the row, or None.
        seed: the row's own seed, or None.
        negative_prompt: what to lead away from, possibly empty.
        extra: every further column, untouched.
    """

    number: int
    prompt: str
    image: str | bytes | None
    emotions: tuple[Mapping[str, float], ...]
    id: str | None
    seed: int | None
    negative_prompt: str
    extra: Mapping[str, Any] = field(default_factory=dict)


def _is_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        return _is_text(kind.value_type)
    return (
        pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    )


def _is_weights(kind: pa.DataType) -> bool:
    if pa.types.is_map(kind):
        return _is_text(kind.key_type) and _is_number(kind.item_type)
    return pa.types.is_struct(kind) and all(_is_number(child.type) for child in kind)


def _is_number(kind: pa.DataType) -> bool:
    return pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_null(kind)


def _is_image(kind: pa.DataType) -> bool:
    # `datasets` writes images as a struct of bytes and path.
    if pa.types.is_struct(kind):
        return {child.name for child in kind} == {"bytes", "path"}
    return _is_text(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind)


def _is_emotion(kind: pa.DataType) -> bool:
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return _is_text(kind.value_type)
    return _is_text(kind) or _is_weights(kind)


# column: (test of its type, what it may be)
TYPES = {
    PROMPT: (_is_text, "string"),
    IMAGE: (_is_image, "string (path or URL) or binary (the encoded image)"),
    EMOTION: (_is_emotion, "string, list of strings, or map of string to number"),
    ID: (lambda kind: _is_text(kind) or pa.types.is_integer(kind), "string or integer"),
    SEED: (pa.types.is_integer, "integer"),
    NEGATIVE: (_is_text, "string"),
}


def type_problem(name: str, kind: pa.DataType) -> str | None:
    """What is wrong with the type of column `name`, or None. A column of nothing but nulls counts as absent."""
    if name not in TYPES or pa.types.is_null(kind):
        return None
    test, wanted = TYPES[name]
    return None if test(kind) else f"its type is {kind}; make it {wanted}"
