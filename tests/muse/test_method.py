import pytest

from muse.method import Method


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"steps": 0}, "greater than or equal to 1"),
        ({"guidance_end": 1.5}, "less than or equal to 1"),
        ({"tokens": 2.5}, "valid integer"),
        ({"sampler": "ipndm"}, "'model', 'ddim', 'ddpm', "),
        ({"iterations": 3}, "iterations"),
    ],
)
def test_a_value_out_of_its_limits_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        Method(**change)
    with pytest.raises(ValueError, match=message):
        Method().replace(**change)


def test_a_copy_changes_what_it_is_given_alone_and_the_original_not_at_all():
    method = Method(steps=8)
    changed = method.replace(learning_rate=0.1)
    assert (changed.steps, changed.learning_rate) == (8, 0.1)
    assert method.learning_rate == Method().learning_rate
    with pytest.raises(ValueError, match="frozen"):
        method.steps = 9


def test_the_weights_of_the_loss_stand_in_its_order():
    method = Method(inherent_weight=0.1, similar_weight=0.2, balance=0.3)
    assert method.loss_weights == (0.1, 0.2, 0.3)
