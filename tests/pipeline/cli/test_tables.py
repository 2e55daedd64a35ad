"""Tables of counts and facts: plain where there is no terminal, and safe to print."""

import pytest

from pipeline.cli.tables import WIDTH, print_counts, print_facts


def test_counts_have_their_sums_and_no_colour(capsys):
    print_counts("m.parquet", ("generate", "edit"), [("awe", (1200, 3)), ("fear", (1, 0))])
    text = capsys.readouterr().out
    assert "\x1b" not in text
    rows = [line.split() for line in text.splitlines()]
    assert ["awe", "1,200", "3"] in rows
    assert ["all", "1,201", "3"] in rows


@pytest.mark.parametrize("name", ["[red]awe[/]", "[/]", "x" * 300, "a b " * 60])
def test_names_are_printed_as_they_are_and_folded(capsys, name):
    print_facts(name, {name: name, "n": "1"})
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) <= WIDTH
    assert "".join(text.split()).count("".join(name.split())[:20]) >= 1


def test_names_cannot_control_the_terminal(capsys):
    print_counts("t", ("n",), [("\x1b]0;title\x07\u202e", (1,))])
    assert "\x1b" not in capsys.readouterr().out
