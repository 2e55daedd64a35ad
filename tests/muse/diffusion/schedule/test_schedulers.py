"""Which scheduler runs which model, decided from settings alone."""

import re

import pytest

from muse.diffusion.schedule.schedulers import (
    SAMPLERS,
    choose_scheduler,
    second_stages,
    training_of,
)
from muse.method import Method

EDM = {"_class_name": "EDMEulerScheduler", "sigma_data": 0.5}
FLOW = {"_class_name": "FlowMatchEulerDiscreteScheduler", "shift": 3.0}
DDIM = {"_class_name": "DDIMScheduler"}
UNIPC_FLOW = {"_class_name": "UniPCMultistepScheduler", "use_flow_sigmas": True, "flow_shift": 5.0}


@pytest.mark.parametrize(
    ("config", "training"),
    [
        (DDIM, "diffusion"),
        (FLOW, "flow"),
        (UNIPC_FLOW, "flow"),
        ({"_class_name": "DPMSolverMultistepScheduler", "use_flow_sigmas": False}, "diffusion"),
        ({"_class_name": "SomeScheduler", "prediction_type": "flow_prediction"}, "flow"),
        (EDM, "edm"),
    ],
)
def test_training_is_known_by_settings(config, training):
    assert training_of(config) == training


def test_every_sampler_of_the_method_runs_some_model_and_none_is_missing():
    import typing

    named = {*typing.get_args(Method.model_fields["sampler"].annotation)} - {"model"}
    assert named == {name for known in SAMPLERS.values() for name in known}


@pytest.mark.parametrize("config", [DDIM, FLOW, EDM, UNIPC_FLOW])
def test_advice_is_never_refused(config):
    """What a refusal offers is accepted, whatever was refused."""
    with pytest.raises(ValueError, match="cannot run") as refused:
        choose_scheduler(config, "none")
    offered = str(refused.value).split("choose ")[1].split(", ")
    assert offered[0] == "model"
    for name in offered:
        assert choose_scheduler(config, name)
    own = {**config, "_class_name": "IPNDMScheduler"}
    with pytest.raises(ValueError, match="IPNDMScheduler cannot be used") as refused:
        choose_scheduler(own, "model")
    for name in str(refused.value).split("method.sampler: ")[1].split(", "):
        assert choose_scheduler(own, name)


def test_a_sampler_of_another_training_is_refused():
    for config, sampler in (
        (EDM, "ddim"),
        (EDM, "euler"),
        (EDM, "dpm++"),
        (FLOW, "euler_a"),
        (DDIM, "flow"),
    ):
        with pytest.raises(
            ValueError, match=f"sampler {re.escape(repr(sampler))} cannot run a model that was"
        ):
            choose_scheduler(config, sampler)


def test_the_shift_of_flow_matching_goes_along():
    assert choose_scheduler(FLOW, "unipc")[1]["flow_shift"] == 3.0
    assert choose_scheduler(FLOW, "unipc")[1]["use_flow_sigmas"]
    assert choose_scheduler(UNIPC_FLOW, "flow")[1] == {"shift": 5.0}
    assert choose_scheduler(UNIPC_FLOW, "model") == ("UniPCMultistepScheduler", {})


def test_corrections_are_the_second_stages():
    assert [*second_stages("HeunDiscreteScheduler", 5)] == [1, 3]
    assert [*second_stages("PNDMScheduler", 5)] == [1]
    assert [*second_stages("UniPCMultistepScheduler", 5)] == []
