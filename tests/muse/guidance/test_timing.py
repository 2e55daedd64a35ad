import pytest

from muse.guidance.content_levels import UNKNOWN, ContentLevels
from muse.guidance.timing import Fixed, Threshold, may_start, timing_of
from muse.method import Method


def test_a_fixed_start_heeds_no_curve():
    assert not Fixed(0.3).starts([0.9], 0.25)
    assert Fixed(0.3).starts([0.0], 0.3)


def test_a_threshold_waits_for_the_content():
    policy = Threshold(0.5, latest=0.6)
    assert not policy.starts([0.1, 0.4], 0.1)
    assert policy.starts([0.1, 0.4, 0.55], 0.2)
    assert policy.starts([0.1, 0.2], 0.6)


KNOWN = ContentLevels(content_similarity=0.7, timing_level=0.85)


@pytest.mark.parametrize(
    ("method", "levels", "policy"),
    [
        ({"timing": "fixed", "timing_level": 0.2}, KNOWN, Fixed(0.2)),
        ({"timing": "fixed"}, KNOWN, Fixed(0.0)),
        ({"timing": "threshold", "timing_level": 0.2}, KNOWN, Threshold(0.2, 0.5)),
        ({"timing": "threshold"}, KNOWN, Threshold(0.85, 0.5)),
        ({"timing": "threshold"}, UNKNOWN, Threshold(0.3, 0.5)),
        ({"timing": "never"}, KNOWN, None),
        # What keeps the content is a level, and a weight above 0.
        ({}, KNOWN, Fixed(0.0)),
        ({"timing_level": 0.2}, KNOWN, Fixed(0.0)),
        ({"content_weight": 0.0}, KNOWN, Threshold(0.85, 0.5)),
        ({}, UNKNOWN, Threshold(0.3, 0.5)),
        ({"content_similarity": 0.6}, UNKNOWN, Fixed(0.0)),
        ({}, ContentLevels(content_source_similarity=0.7), Threshold(0.3, 0.5)),
    ],
)
def test_the_policy_follows_from_the_method_and_the_levels_of_the_clip(method, levels, policy):
    assert timing_of(Method(timing_latest=0.5, **method), levels) == policy


def test_other_policies_are_refused():
    with pytest.raises(ValueError, match="timing is 'soon'; it should be 'auto'"):
        Method(timing="soon")


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
