"""The cases that an evaluation draws."""

from random import Random

from jobs.evaluation.cases import draw_cases, draw_mixtures, mixed_scene
from muse.emotions import MIKELS
from muse.mini.world.factors import MOODS


def test_a_mixed_scene_has_a_prop_of_each_emotion_and_its_light_and_sky_of_one():
    """Two emotions that share no sky and no prop, so that every factor belongs to one."""
    rng, names = Random(0), ("contentment", "anger")
    for _ in range(50):
        scene = mixed_scene(rng, "beach", "dog", names)
        skies = [name for name in names if scene.sky in MOODS[name].skies]
        props = [name for prop in scene.props for name in names if prop in MOODS[name].props]
        assert len(skies) == 1
        assert sorted(props) == sorted(names)
        # The second prop belongs to the emotion of the sky.
        assert props[1] == skies[0]


def test_emotions_come_in_turn_and_the_draw_repeats():
    cases = draw_cases(16, 3, editing=False)
    assert [case.emotion for case in cases] == [*MIKELS.labels] * 2
    assert draw_cases(16, 3, editing=False) == cases


def test_every_pair_of_emotions_comes_before_any_comes_twice():
    pairs = [(case.emotion, case.second) for case in draw_mixtures(40, 1)]
    assert len({*pairs[:28]}) == 28
    assert len({*pairs}) == 28
