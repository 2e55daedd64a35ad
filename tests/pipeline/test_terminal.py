import pytest

from pipeline.terminal import percent, printable


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("out/a b: 3 requests\n\tand 2 more", None),
        ("sérénité 喜び 😀", None),
        ("\x1b]0;title\x07", r"\x1b]0;title\x07"),
        ("\x1b[31mred", r"\x1b[31mred"),
        ("\x9b31m", r"\x9b31m"),
        ("a\rb\x7f", r"a\rb\x7f"),
        ("\u202egnp.exe", r"\u202egnp.exe"),
        ("\u2066a\u2069", r"\u2066a\u2069"),
        ("a\u2028b", r"a\u2028b"),
        ("\udcff", r"\udcff"),
        ("\U000e0041", r"\U000e0041"),
    ],
)
def test_what_would_control_a_terminal_is_escaped_and_nothing_else(text, expected):
    assert printable(text) == (text if expected is None else expected)


@pytest.mark.parametrize(
    ("share", "shown"), [(0.625, "63%"), (0.615, "62%"), (0.0, "0%"), (1.0, "100%"), (1 / 3, "33%")]
)
def test_halves_of_a_percent_are_rounded_up_as_in_charts(share, shown):
    assert percent(share) == shown
