"""Faults of a model's own scheduler are put down to its file, and leave no traceback."""

import json
import re

import diffusers
import pytest

from muse.diffusion.schedule.own_scheduler import FLOW_FAMILIES, own_problems
from muse.diffusion.schedule.schedulers import SAMPLERS
from muse.diffusion.schedule.schedules import make_schedule
from tests.support.scheduler_configs import SD3 as FLOW
from tests.support.scheduler_configs import SD15

EULER = {**SD15, "_class_name": "EulerDiscreteScheduler"}
DDPM = {**SD15, "_class_name": "DDPMScheduler"}
DPM = {**SD15, "_class_name": "DPMSolverMultistepScheduler"}
UNIPC = {**SD15, "_class_name": "UniPCMultistepScheduler", "solver_type": "bh2"}
FILE = "the model's scheduler_config.json"
SD, SD3 = "StableDiffusionPipeline", "StableDiffusion3Pipeline"


@pytest.mark.parametrize("family", FLOW_FAMILIES)
def test_a_scheduler_of_another_training_beside_flow_matching_is_refused(family):
    for config in (SD15, EULER, DPM):
        (problem,) = own_problems(family, config)
        assert f"every {family} was trained for flow matching; copy scheduler/" in problem
    flow = {"use_flow_sigmas": True, "prediction_type": "flow_prediction"}
    assert [*own_problems(family, FLOW), *own_problems(family, {**DPM, **flow})] == []


@pytest.mark.parametrize(
    ("config", "wrong", "told"),
    [
        (SD15, {"beta_start": "0.1"}, 'has beta_start = "0.1"; DDIMScheduler takes float'),
        (SD15, {"num_train_timesteps": 1000.0}, "has num_train_timesteps = 1000.0; DDIMScheduler"),
        (FLOW, {"shift": "3"}, 'has shift = "3"; FlowMatchEulerDiscreteScheduler takes float'),
        (SD15, {"beta_schedule": "foo"}, "DDIMScheduler does not take these settings: foo is not"),
    ],
)
def test_what_diffusers_cannot_open_is_told_with_the_file(config, wrong, told):
    family = SD3 if config is FLOW else SD
    (problem,) = own_problems(family, {**config, **wrong})
    assert problem.startswith(FILE)
    assert told in problem
    assert [*own_problems(family, config)] == []


@pytest.mark.parametrize(
    ("config", "wrong", "told"),
    [
        (SD15, {"beta_end": 1.0}, "beta_end = 1.0; it takes a number above 0 and below 1: correct"),
        (SD15, {"num_train_timesteps": 0}, "num_train_timesteps = 0; it takes an integer from 1"),
        (SD15, {"trained_betas": -1}, "trained_betas = -1; DDIMScheduler takes a list of numbers"),
        (SD15, {"prediction_type": None}, "has prediction_type = null; DDIMScheduler takes str"),
        (SD15, {"prediction_type": "v-prediction"}, "it takes epsilon, v_prediction, sample"),
        (DDPM, {"variance_type": "learned"}, "or set method.scheduler.variance_type"),
        (UNIPC, {"solver_order": 30}, "solver_order = 30; it takes an integer from 1 to 20"),
        (DPM, {"lambda_min_clipped": 5.0}, "lambda_min_clipped = 5.0; it takes a number up to 0"),
        (FLOW, {"shift": 0.0}, "shift = 0.0; it takes a number above 0: correct it, or set"),
        (FLOW, {"invert_sigmas": True}, "invert_sigmas = true; it takes False"),
        (
            EULER,
            {"sigma_min": 5.0, "sigma_max": 1.0, "use_karras_sigmas": True},
            "the settings in the model's scheduler_config.json has noise levels that do not fall",
        ),
        (SD15, {"timestep_spacing": "trail"}, "its settings are those of the model's scheduler_"),
        (
            FLOW,
            {"use_dynamic_shifting": True, "base_shift": None},
            "base_shift in the model's scheduler_config.json is None; it takes a number",
        ),
        (
            FLOW,
            {"use_dynamic_shifting": True, "max_image_seq_len": 256},
            "base_image_seq_len in the model's scheduler_config.json is 256; it should be below",
        ),
    ],
)
def test_a_value_that_no_schedule_has_is_put_down_to_the_file(config, wrong, told):
    with pytest.raises(ValueError, match=re.escape(told)) as refused:
        make_schedule({**config, **wrong}, 4)
    assert FILE in str(refused.value)


@pytest.mark.parametrize(
    ("config", "unread"),
    [
        (FLOW, {"base_image_seq_len": None, "max_image_seq_len": None, "base_shift": None}),
        (FLOW, {"shift_terminal": 0}),
        (SD15, {"clip_sample_range": None, "dynamic_thresholding_ratio": "0.9"}),
        (SD15, {"beta_end": 1.0, "beta_schedule": "squaredcos_cap_v2"}),
        (DPM, {"flow_shift": None, "solver_order": 4}),
        (EULER, {"timestep_type": None, "sigma_min": 0.0}),
        ({**SD15, "_class_name": "TCDScheduler"}, {"timestep_scaling": None}),
    ],
)
def test_what_the_scheduler_does_not_read_is_no_fault(config, unread):
    """diffusers makes images of such files."""
    config = {**config, **unread}
    assert [
        *own_problems(SD3 if config["_class_name"] == FLOW["_class_name"] else SD, config)
    ] == []
    assert len(make_schedule(config, 4)) >= 4


def test_a_setting_of_the_method_replaces_a_wrong_value():
    wrong = {**SD15, "beta_end": 1.0}
    assert len(make_schedule(wrong, 4, options={"beta_end": 0.012})) == 4
    spaced = {"timestep_spacing": None}
    assert [*own_problems(SD, {**SD15, **spaced})] == []
    assert len(make_schedule({**SD15, **spaced}, 4, options={"timestep_spacing": "leading"})) == 4
    # What another class means by it says nothing here.
    unipc = {**SD15, "_class_name": "UniPCMultistepScheduler", "solver_order": 5}
    assert len(make_schedule({**unipc, "solver_type": "bh2"}, 4, "dpm++")) == 4
    lcm = {**SD15, "_class_name": "LCMScheduler", "original_inference_steps": 20}
    assert len(make_schedule(lcm, 30, "ddim")) == 30


NAMES = sorted({name for known in SAMPLERS.values() for name, _ in known.values()})


@pytest.mark.parametrize("name", NAMES)
def test_what_diffusers_itself_writes_has_no_fault(name):
    more = {"skip_prk_steps": True} if name == "PNDMScheduler" else {}
    written = getattr(diffusers, name)(**more).to_json_string()
    config = {**json.loads(written), "_class_name": name}
    assert [*own_problems(SD, config)] == []
    assert len(make_schedule(config, 4)) >= 4


VALUES = (None, "x", -1, [0.1], {})


@pytest.mark.parametrize(
    "config", [SD15, EULER, DDPM, DPM, FLOW], ids=lambda own: own["_class_name"]
)
def test_no_value_in_the_file_leaves_a_traceback(config):
    kind = getattr(diffusers, config["_class_name"])
    dynamic = {"use_dynamic_shifting": True} if config is FLOW else {}
    for key in [key for key in kind().config if not key.startswith("_")]:
        for value in VALUES:
            wrong = {**config, **dynamic, key: value}
            if [*own_problems(SD, wrong)]:
                continue
            try:
                make_schedule(wrong, 4)
            except ValueError:
                continue
