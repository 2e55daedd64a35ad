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
    title: str, columns: Sequence[str], rows: Sequence[tuple[str, Sequence[int]]]
) -> None:
    """A table of names with their counts, and the sums of more than one in the end."""
    table = _table(title, *columns)
    for name, counts in rows:
        table.add_row(_cell(f"  {name}"), *(f"{count:,}" for count in counts))
    if len(rows) > 1:
        sums = map(sum, zip(*(counts for _, counts in rows), strict=True))
        table.add_row(_cell("  all"), *(f"{total:,}" for total in sums), style="bold")
    _print(table)


def print_rows(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A table of texts; the title stands above the first of them."""
    table = _table(title)
    for column in columns:
        table.add_column(_cell(column), overflow="fold")
    for first, *others in rows:
        table.add_row(_cell(f"  {first}"), *map(_cell, others))
    _print(table)


def print_facts(title: str, facts: Mapping[str, str]) -> None:
    """A table of names with what holds for them."""
    table = _table(title)
    table.add_column("", overflow="fold")
    for name, fact in facts.items():
        table.add_row(_cell(f"  {name}"), _cell(fact))
    _print(table)


def _table(title: str, *columns: str) -> Table:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column(_cell(title), overflow="fold")
    for column in columns:
        table.add_column(_cell(column), justify="right", no_wrap=True)
    return table


def _cell(text: str) -> Any:
    """Text as it is: without markup, and unable to control the terminal."""
    from rich.text import Text

    return Text(printable(text))


def _print(table: Table) -> None:
    """Print a table and a blank line. Only a terminal gets styles and a width of its own."""
    from rich.console import Console

    is_terminal = sys.stdout.isatty()
    console = Console(file=sys.stdout, width=None if is_terminal else WIDTH)
    with console.capture() as capture:
        console.print(table)
    # Cells are filled up with spaces, which nobody wants in a file.
    lines = [line.rstrip() for line in capture.get().splitlines()]
    print("\n".join(lines), end="\n\n")
