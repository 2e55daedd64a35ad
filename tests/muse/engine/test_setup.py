import pytest

from muse.engine.setup import Setup
from muse.method import Method


@pytest.fixture
def make(random_backbone, random_clip):
    def _make(**changes):
        return Setup.of(random_backbone, None, random_clip, Method(steps=20, **changes))

    return _make


@pytest.mark.parametrize(
    ("strength", "first"), [(0.95, 1), (1.0, 1), (0.5, 10), (0.05, 19), (0.0, 20)]
)
def test_an_edit_begins_where_its_strength_says_but_never_at_the_first_step(make, strength, first):
    """At the first step the embedded schedule leaves no signal of the image at all."""
    setup = make(strength=strength)
    assert setup.first_edit_step() == first
    assert float(setup.schedule.alphas[0]) == 0.0


def test_tokens_are_updated_until_the_end_of_guidance(make):
    setup = make(guidance_end=0.7)
    assert [setup.may_update(step) for step in (0, 13, 14, 19)] == [True, True, False, False]


def test_a_sampler_that_does_not_fit_the_model_is_refused(make):
    with pytest.raises(ValueError, match="sampler 'flow' cannot run a model"):
        make(sampler="flow")
