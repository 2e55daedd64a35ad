"""The cases that an evaluation draws."""

import torch

from jobs.evaluation.cases import (
    CONTENTS,
    REPORTED_CONTENTS,
    TUNING_CONTENTS,
    draw_cases,
    draw_mixtures,
    mixed_scenes,
    scenes_of,
)
from muse.emotions import MIKELS
from muse.mini.world.contents import PLACES, SUBJECTS


def test_emotions_come_in_turn_and_the_draw_repeats():
    cases = draw_cases(16, 3, editing=False)
    assert [case.emotion for case in cases] == [*MIKELS.labels] * 2
    assert draw_cases(16, 3, editing=False) == cases


def test_every_pair_of_emotions_comes_before_any_comes_twice():
    pairs = [(case.emotion, case.second) for case in draw_mixtures(40, 1)]
    assert len({*pairs[:28]}) == 28
    assert len({*pairs}) == 28


def test_settings_are_chosen_on_contents_that_no_figure_is_of():
    assert not TUNING_CONTENTS & REPORTED_CONTENTS
    assert TUNING_CONTENTS | REPORTED_CONTENTS == CONTENTS
    for contents in (TUNING_CONTENTS, REPORTED_CONTENTS):
        assert {place for place, _ in contents} == set(PLACES)
        assert {subject for _, subject in contents} == set(SUBJECTS)
    for case in draw_cases(8, 3, False, TUNING_CONTENTS):
        assert (case.place, case.subject) in TUNING_CONTENTS


def test_every_case_has_a_scene_and_a_mixture_one_of_both_emotions():
    for cases in (draw_cases(2, 3, editing=False), draw_mixtures(2, 3)):
        scenes = scenes_of(cases)
        assert scenes.shape == (2, 3, 128, 128)
        assert scenes.min() >= 0
        assert scenes.max() <= 1


def test_the_scenes_of_mixtures_have_their_contents_and_repeat():
    cases = draw_mixtures(2, 3)
    scenes = mixed_scenes(cases, 5)
    assert scenes.shape == (2, 3, 128, 128)
    assert torch.equal(scenes, mixed_scenes(cases, 5))
    assert not torch.equal(scenes, mixed_scenes(cases[::-1], 5))
