import pytest

from muse.guidance.timing import Fixed, Plateau, Threshold, may_start, timing_of
from muse.method import Method


def test_a_fixed_start_heeds_no_curve():
    assert not Fixed(0.3).starts([0.9], 0.25)
    assert Fixed(0.3).starts([0.0], 0.3)


def test_a_threshold_waits_for_the_content():
    policy = Threshold(0.5, latest=0.6)
    assert not policy.starts([0.1, 0.4], 0.1)
    assert policy.starts([0.1, 0.4, 0.55], 0.2)
    assert policy.starts([0.1, 0.2], 0.6)


def test_a_plateau_waits_for_the_rise_to_end():
    policy = Plateau(rise=0.05, latest=0.9)
    assert not policy.starts([0.1], 0.0)
    assert not policy.starts([0.1, 0.3], 0.1)
    assert policy.starts([0.1, 0.3, 0.32], 0.2)


def test_policies_by_name():
    def named(policy):
        return timing_of(Method(timing=policy, timing_level=0.2, timing_latest=0.5))

    assert named("fixed") == Fixed(0.2)
    assert named("threshold") == Threshold(0.2, 0.5)
    assert named("unconditional_threshold") == Threshold(0.2, 0.5, unconditional=True)
    assert named("plateau") == Plateau(0.2, 0.5)
    assert named("never") is None
    with pytest.raises(ValueError, match="timing is 'soon'; it should be 'fixed'"):
        named("soon")


@pytest.mark.parametrize(
    ("method", "starts"),
    [
        ({}, True),
        ({"timing": "never"}, False),
        ({"timing": "fixed", "timing_level": 0.95}, True),
        ({"timing": "fixed", "timing_level": 0.96}, False),
    ],
)
def test_guidance_that_begins_behind_the_last_step_never_starts(method, starts):
    assert may_start(Method(steps=20, **method)) == starts
