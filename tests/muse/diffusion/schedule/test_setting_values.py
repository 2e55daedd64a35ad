"""The table of values, and the types that diffusers' defaults have."""

import inspect

import diffusers
import pytest

from muse.diffusion.schedule.schedulers import SAMPLERS
from muse.diffusion.schedule.setting_values import VALUES, Values, value_problem

DDIM = inspect.signature(diffusers.DDIMScheduler.__init__).parameters
FLOW = inspect.signature(diffusers.FlowMatchEulerDiscreteScheduler.__init__).parameters


def test_every_setting_of_the_table_is_one_of_some_scheduler():
    known = set()
    for samplers in SAMPLERS.values():
        for name, _ in samplers.values():
            known |= {*inspect.signature(getattr(diffusers, name).__init__).parameters}
    assert {*VALUES} <= known


def test_limits_are_in_or_out_as_the_words_say():
    assert str(Values(low=0, high=1)) == "a number above 0 and below 1"
    assert not Values(low=0, high=1).include(1)
    assert str(Values(low=1, high=3, ends=True, whole=True)) == "an integer from 1 to 3"
    assert Values(low=1, high=3, ends=True, whole=True).include(3)
    assert not Values(low=1, high=3, ends=True, whole=True).include(2.0)
    assert not Values(choices=(False,)).include(0)
    assert str(Values(high=0, ends=True)) == "a number up to 0"
    assert Values(high=0, ends=True).include(float("-inf"))


@pytest.mark.parametrize(
    ("parameters", "key", "value", "problem"),
    [
        (DDIM, "beta_start", "0.001", "X takes float, as 0.0001"),
        (DDIM, "beta_start", None, "X takes float, as 0.0001"),
        (DDIM, "beta_start", 1.5, "it takes a number above 0 and below 1"),
        (DDIM, "steps_offset", True, "X takes int, as 0"),
        (DDIM, "clip_sample", None, None),
        (DDIM, "clip_sample", 1, "X takes bool, as True"),
        (DDIM, "trained_betas", None, None),
        (FLOW, "base_shift", None, None),
        (FLOW, "shift", 3, None),
        (FLOW, "shift_terminal", None, None),
    ],
)
def test_null_is_taken_where_diffusers_takes_it_and_types_are_those_of_defaults(
    parameters, key, value, problem
):
    assert value_problem("X", key, value, parameters[key]) == problem
