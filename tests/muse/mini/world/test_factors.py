"""Moods are distributions over factors, and neighbours on Mikels' wheel share some."""

import pytest

from muse.emotions import MIKELS
from muse.mini.world.factors import (
    EXPRESSIONS,
    LIGHTS,
    MOODS,
    NEUTRAL,
    POSTURES,
    PROPS,
    WEATHERS,
)

KINDS = {
    "lights": LIGHTS,
    "weathers": WEATHERS,
    "postures": POSTURES,
    "expressions": EXPRESSIONS,
    "props": PROPS,
}


def test_moods_are_distributions_over_what_there_is():
    assert MOODS.keys() == set(MIKELS.labels)
    for mood in MOODS.values():
        for kind, known in KINDS.items():
            probs = getattr(mood, kind)
            assert sum(probs.values()) == pytest.approx(1)
            assert probs.keys() <= known.keys()


def shared(one: str, other: str) -> int:
    """How many factors two moods have in common."""
    pairs = ((getattr(MOODS[one], kind), getattr(MOODS[other], kind)) for kind in KINDS)
    return sum(len(first.keys() & second.keys()) for first, second in pairs)


@pytest.mark.parametrize("emotion", MIKELS.labels)
def test_neighbours_on_the_wheel_of_one_polarity_share_factors(emotion):
    assert MIKELS.similar(emotion)
    for neighbour in MIKELS.similar(emotion):
        assert shared(emotion, neighbour) >= 2, neighbour


def test_neutral_factors_exist_and_every_prop_belongs_to_a_mood():
    assert NEUTRAL["light"] in LIGHTS
    assert NEUTRAL["weather"] in WEATHERS
    assert NEUTRAL["posture"] in POSTURES
    assert NEUTRAL["expression"] in EXPRESSIONS
    used = {prop for mood in MOODS.values() for prop in mood.props}
    assert used == PROPS.keys()
