"""The direction of an emotion: without strength it is plain sampling; what it costs."""

import pytest

from jobs.evaluation.arms.directions import direction
from jobs.evaluation.arms.models import load, pixels_of
from jobs.evaluation.arms.registry import run_arm
from jobs.evaluation.cases import draw_cases
from muse.method import Method
from muse.mini import WEIGHTS

SHORT = Method(steps=3)


@pytest.mark.parametrize("editing", [False, True])
def test_without_strength_it_is_plain_sampling(editing):
    cases = draw_cases(2, 3, editing)
    still = pixels_of(direction(load(WEIGHTS), SHORT, cases, 0.0))
    # Two levels of 255: other batches sum floats in another order.
    assert (still - run_arm(WEIGHTS, SHORT, "plain", cases)[0]).abs().max() <= 2 / 255 + 1e-6


def test_a_strong_direction_moves_further_and_a_late_one_costs_less():
    models, cases = load(WEIGHTS), draw_cases(2, 3, editing=False)
    settings = ((0.0, 0.0), (2.0, 0.0), (8.0, 0.0), (8.0, 0.5))
    made = [direction(models, SHORT, cases, *setting) for setting in settings]
    plain, weak, strong, late = map(pixels_of, made)
    assert 0 < (weak - plain).abs().mean() < (strong - plain).abs().mean()
    assert (late - plain).abs().mean() > 0
    # Of three steps one begins after half of them.
    assert [samples[0].trace.nfe for samples in made] == [9, 9, 9, 7]
