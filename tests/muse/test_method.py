import pickle

import pytest
from pydantic import BaseModel, ValidationError

from muse.method import Method, ParameterError


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"steps": 0}, "^steps is 0; it should be greater than or equal to 1$"),
        ({"guidance_end": 1.5}, "less than or equal to 1"),
        ({"tokens": 2.5}, "valid integer"),
        ({"sampler": "ipndm"}, "'model', 'ddim', 'ddpm', "),
        ({"iterations": 3}, "^iterations is no parameter of the method$"),
        ({"stepz": 4}, "^stepz is no parameter of the method; did you mean 'steps'\\?$"),
        (
            {"edit_start": "nosie"},
            "^edit_start is 'nosie'; it should be 'inversion' or 'noise'; did you mean 'noise'\\?$",
        ),
        ({"edit_start": 3}, "^edit_start is 3; it should be 'inversion' or 'noise'$"),
        ({"scheduler": {"shift": [1]}}, r"^scheduler is \[1\]; it should be"),
        (
            {"scheduler": {"shift": float("nan")}},
            "^scheduler is nan; it should be a finite number, a text, true or false under 'shift'$",
        ),
    ],
)
def test_a_value_out_of_its_limits_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        Method(**change)
    with pytest.raises(ValueError, match=message):
        Method().replace(**change)


def test_as_part_of_other_settings_each_of_its_errors_is_told():
    class Whole(BaseModel):
        method: Method

    with pytest.raises(ValidationError) as refused:
        Whole.model_validate({"method": {"stepz": 4, "tokens": 0}})
    places = {error["loc"] for error in refused.value.errors()}
    assert places == {("method", "stepz"), ("method", "tokens")}


def test_an_error_comes_back_from_another_process_as_it_was():
    error = pickle.loads(pickle.dumps(ParameterError("steps", "is 0")))
    assert (str(error), error.name) == ("steps is 0", "steps")


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
