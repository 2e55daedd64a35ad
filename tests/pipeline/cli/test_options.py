"""Flags as settings."""

import pytest

from pipeline.cli.options import flags


@pytest.mark.parametrize(
    ("text", "names"),
    [(None, None), ("", None), ("awe", ["awe"]), ("awe, fear,", ["awe", " fear"])],
)
def test_emotions_are_a_list_and_what_was_not_given_is_none(text, names):
    assert flags(text, seed=None, limit=3) == {"seed": None, "limit": 3, "emotions": names}
