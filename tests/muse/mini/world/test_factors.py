"""Light, sky and props: the distributions of moods, and a drawing for every factor."""

from collections import Counter

import pytest

from muse.emotions import MIKELS
from muse.mini.world import glowing_props, props, skies
from muse.mini.world.factors import LIGHTS, MOODS, PROPS, SKIES


def test_moods_are_distributions_that_overlap():
    assert set(MOODS) == set(MIKELS.labels)
    for mood in MOODS.values():
        for probs, known in ((mood.lights, LIGHTS), (mood.skies, SKIES), (mood.props, PROPS)):
            assert sum(probs.values()) == pytest.approx(1)
            assert set(probs) <= set(known)
    shared: dict[str, set[str]] = {}
    for scale in ("lights", "skies", "props"):
        holders = Counter(factor for mood in MOODS.values() for factor in getattr(mood, scale))
        shared[scale] = {factor for factor, count in holders.items() if count > 1}
        assert len(shared[scale]) >= 3
    for emotion, mood in MOODS.items():
        assert any(shared[scale] & getattr(mood, scale).keys() for scale in shared), (
            f"{emotion} shares nothing"
        )


def test_every_factor_can_be_drawn():
    drawn = set(props.AROUND) | set(props.GROUND) | set(glowing_props.GLOWING)
    assert drawn == set(PROPS)
    assert set(skies.BEHIND) | set(skies.BEFORE) | {"clear"} == set(SKIES)
