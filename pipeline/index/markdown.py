"""Markdown of text that others wrote: shown as it is, never as markup."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

SAFE = frozenset(" .,:;+-/()'%@=")
"""Punctuation that means nothing within a cell of a table."""


def escape(text: str) -> str:
    """Text as one cell of a table, whatever it holds.

    Characters that could be markup become numeric entities; those that cannot be seen, or that turn
    the direction of writing, are named by their code.
    """
    return "".join(map(_escape_character, text))


def _escape_character(character: str) -> str:
    if character.isalnum() or character in SAFE:
        return character
    if not character.isprintable():
        return f"U+{ord(character):04X}"
    return f"&#{ord(character)};"


def table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A table; the cells are Markdown (see `escape`)."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(map(str, line))} |\n" for line in lines)
