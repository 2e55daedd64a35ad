"""Text as people read it: percentages, and characters that would confuse a terminal."""

from __future__ import annotations

import math
import unicodedata

ESCAPED = ("Cc", "Cf", "Cs", "Zl", "Zp")
"""Unicode categories: control (as in OSC and CSI sequences), format (as in changes of direction),
lone surrogates, and separators of lines."""


def printable(text: str) -> str:
    """`text` with its invisible characters, other than line ends and tabs, as backslash escapes.

    Names in messages come from files, models and manifests that are not trusted.
    """
    if text.isprintable():
        return text
    return "".join(map(_escaped, text))


def _escaped(character: str) -> str:
    if character in "\n\t" or unicodedata.category(character) not in ESCAPED:
        return character
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")


def percent(share: float) -> str:
    """A share, as in 0.625, as whole percent, `63%`: halves are rounded up, as charts do."""
    return f"{math.floor(100 * share + 0.5)}%"
