"""At which step an edit starts."""

import pytest

from muse.diffusion.editing import first_edit_step
from muse.diffusion.schedules import schedule_of
from muse.method import Method

SD = {"_class_name": "DDIMScheduler", "beta_schedule": "scaled_linear"}
FLOW = {"_class_name": "FlowMatchEulerDiscreteScheduler", "shift": 3.0}


def _first(strength, start, config=SD, **changes):
    method = Method(steps=5, strength=strength, edit_start=start, **changes)
    return first_edit_step(schedule_of(config, method), method)


def test_an_inversion_never_ends_at_the_first_step():
    assert [_first(share, "inversion") for share in (1.0, 0.9, 0.5, 0.1, 0.0)] == [1, 1, 2, 4, 5]


@pytest.mark.parametrize(
    ("config", "firsts"), [(SD, [0, 2, 3, 5, 5]), (FLOW, [0, 1, 2, 4, 5])], ids=["sd", "flow"]
)
def test_from_noise_the_share_is_rounded_as_in_diffusers(config, firsts):
    assert [_first(share, "noise", config) for share in (1.0, 0.7, 0.5, 0.1, 0.0)] == firsts


@pytest.mark.parametrize(("sampler", "firsts"), [("heun", [0, 4, 9]), ("pndm", [0, 3, 6])])
def test_from_noise_an_edit_starts_where_a_step_does(sampler, firsts):
    """Some evaluations of these samplers correct the one before."""
    assert [_first(share, "noise", sampler=sampler) for share in (1.0, 0.6, 0.0)] == firsts
