"""Emotions as people write them."""

import pytest

from manifests.builder.emotions import name_of, parse_targets, row_targets
from muse.emotions import MIKELS

AWE, FEAR = (("awe", 1.0),), (("fear", 1.0),)
MIXED = (("awe", 0.6), ("fear", 0.4))


@pytest.mark.parametrize(
    ("text", "targets"),
    [
        ("awe", [AWE]),
        (" Awe , fear,", [AWE, FEAR]),
        ("awe:0.6+fear:0.4", [MIXED]),
        ("fear : 0.4 + AWE:.6, awe", [MIXED, AWE]),
        ("all", [((label, 1.0),) for label in MIKELS.labels]),
    ],
)
def test_names_mixtures_and_all(text, targets):
    assert parse_targets(text, MIKELS.labels) == targets


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "is empty"),
        ("sadnes", "did you mean 'sadness'"),
        ("awe+fear", "give each emotion its weight"),
        ("awe:0.6+fear:0.3", "the weights sum to 0.9"),
        ("awe:x+fear:0.3", "give each emotion its weight"),
        ("awe:nan+fear:0.3", "give a number from 0 to 1"),
        ("awe,awe", "names 'awe' twice"),
        ("awe:0.5+awe:0.5", "names 'awe' twice"),
        ("awe:0.5+AWE:0.5", "names 'awe' twice"),
        ("all,fear", "all,fear: all is every emotion; give it alone"),
        ("awe:0.6+fear:0.4,fear:0.4+awe:0.6", "twice"),
    ],
)
def test_mistakes_are_refused_with_the_remedy(text, problem):
    with pytest.raises(ValueError, match=problem):
        parse_targets(text, MIKELS.labels)


@pytest.mark.parametrize(
    ("value", "targets"),
    [
        (None, []),
        ("  ", []),
        ("awe,fear", [AWE, FEAR]),
        (["awe", "awe:0.6+fear:0.4"], [AWE, MIXED]),
        ({"awe": 0.6, "fear": 0.4}, [MIXED]),
        ([("awe", 0.6), ("fear", 0.4)], [MIXED]),
        ('{"awe": 0.6, "fear": 0.4}', [MIXED]),
        ('["awe", "fear"]', [AWE, FEAR]),
        ({"awe": 1.0, "fear": None}, [AWE]),
    ],
)
def test_the_emotion_of_a_row_has_every_form_that_sources_have(value, targets):
    assert row_targets(value, MIKELS.labels) == targets


@pytest.mark.parametrize("value", [5, [], {}, [1], True, '{"awe": "x"}', "{", [{"awe": 1.0}]])
def test_what_is_no_emotion_is_refused(value):
    with pytest.raises(ValueError, match=r"give|must|JSON|sum"):
        row_targets(value, MIKELS.labels)


@pytest.mark.parametrize("value", ['{"awe": 0.5, "awe": 0.5}', [("awe", 0.6), ("awe", 0.4)]])
def test_a_mixture_that_has_an_emotion_twice_is_refused(value):
    with pytest.raises(ValueError, match="'awe' twice"):
        row_targets(value, MIKELS.labels)


def test_a_mixture_is_named_with_its_heaviest_first():
    assert name_of((("awe", 0.4), ("fear", 0.6))) == "fear 0.6 + awe 0.4"
