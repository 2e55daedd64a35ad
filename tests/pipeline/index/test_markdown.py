"""Text of others is shown in a table as it is, and is never markup."""

import html

import pytest

from pipeline.index.markdown import escape, table


@pytest.mark.parametrize("text", ["a|b", "<script>", "`rm`", "[x](y)", "*a*_b_", "a\\|b", "&lt;"])
def test_a_reader_sees_the_text_and_a_parser_no_markup(text):
    assert html.unescape(escape(text)) == text
    markup = escape(text).replace("&#", "").replace(";", "")
    assert not set(markup) & set("|`<>[]*_\\!&")


def test_what_cannot_be_seen_is_named_by_its_code():
    assert escape("a\nb\u202ec\x1b") == "aU+000AbU+202EcU+001B"


def test_a_table_has_a_line_for_each_row():
    assert table(("a", "b"), [(1, "x")]) == "| a | b |\n| --- | --- |\n| 1 | x |\n"
