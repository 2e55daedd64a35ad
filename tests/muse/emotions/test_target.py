import pytest

from muse.emotions import MIKELS, Target


def test_a_mixture_is_normalised_and_confirmed_only_as_far_as_it_is_matched():
    target = Target.of({"awe": 0.6, "fear": 0.4})
    assert sum(target.weights) == pytest.approx(1)
    assert target.members == ("awe", "fear")
    assert target.words() == "awe and fear"
    probabilities = [0.0] * 8
    probabilities[MIKELS.index("awe")] = 1.0
    assert target.confidence(probabilities) == pytest.approx(0.6)
    assert target.confidence(target.weights) == pytest.approx(1.0)


def test_where_each_emotion_is_probable_by_itself_a_mixture_is_confirmed_by_its_least_member():
    target = Target.of({"awe": 0.6, "fear": 0.4})
    probabilities = [0.0] * 8
    probabilities[MIKELS.index("awe")], probabilities[MIKELS.index("fear")] = 0.9, 0.7
    assert target.confidence(probabilities, multi_label=True) == 0.7
    assert Target.of("awe").confidence(probabilities, multi_label=True) == 0.9


@pytest.mark.parametrize(
    "weights", [{"awe": 0.5}, {"awe": 1.5, "fear": -0.5}, {"awe": float("nan")}, {}]
)
def test_bad_weights_are_refused(weights):
    with pytest.raises(ValueError, match="weight"):
        Target.of(weights)


def test_an_emotion_that_is_there_twice_is_refused():
    with pytest.raises(ValueError, match="names 'awe' twice"):
        Target.of({"awe": 0.5, "AWE": 0.5})
