"""Tables of counts on a terminal, and as plain text elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pipeline.terminal import printable

if TYPE_CHECKING:
    from rich.table import Table

WIDTH = 80
"""Columns of what is not a terminal."""


def print_counts(
    title: str, columns: Sequence[str], rows: Iterable[tuple[str, Sequence[int]]]
) -> None:
    """A table of names with their counts, and their sums in the end."""
    table = _table(title)
    table.add_column("")
    for column in columns:
        table.add_column(column, justify="right")
    sums = [0] * len(columns)
    for name, counts in rows:
        table.add_row(_cell(name), *(f"{count:,}" for count in counts))
        sums = [total + count for total, count in zip(sums, counts, strict=True)]
    table.add_section()
    table.add_row("all", *(f"{total:,}" for total in sums))
    _print(table)


def print_facts(title: str, facts: Mapping[str, str]) -> None:
    """A table of names with what holds for them."""
    table = _table(title)
    table.add_column("")
    table.add_column("", overflow="fold")
    table.show_header = False
    for name, fact in facts.items():
        table.add_row(_cell(name), _cell(fact))
    _print(table)


def _table(title: str) -> Table:
    from rich import box
    from rich.table import Table

    return Table(title=_cell(title), title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)


def _cell(text: str) -> Any:
    """Text as it is: without markup, and unable to control the terminal."""
    from rich.text import Text

    return Text(printable(text))


def _print(table: Table) -> None:
    from rich.console import Console

    is_terminal = sys.stdout.isatty()
    Console(file=sys.stdout, width=None if is_terminal else WIDTH).print(table)
