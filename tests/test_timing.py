import pytest

from muse.timing import Fixed, Plateau, Threshold, make_timing


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
    assert make_timing("fixed", 0.2, 0.5) == Fixed(0.2)
    assert make_timing("threshold", 0.2, 0.5) == Threshold(0.2, 0.5)
    assert make_timing("settled", 0.2, 0.5) == Threshold(0.2, 0.5, bare=True)
    assert make_timing("plateau", 0.2, 0.5) == Plateau(0.2, 0.5)
    assert make_timing("never", 0, 0) is None
    with pytest.raises(ValueError, match="choose fixed"):
        make_timing("soon", 0, 0)
