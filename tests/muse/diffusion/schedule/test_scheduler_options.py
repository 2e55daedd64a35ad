"""Values of `method.scheduler` that are refused, each by its name."""

import re

import pytest

from muse.diffusion.schedule.scheduler_options import check_prediction
from muse.diffusion.schedule.schedules import make_schedule
from tests.support.scheduler_configs import SD3, SD15

FLUX = {**SD3, "use_dynamic_shifting": True}
PLAYGROUND = {"_class_name": "EDMEulerScheduler", "sigma_data": 0.5}


@pytest.mark.parametrize(
    ("config", "sampler", "options", "refused"),
    [
        (SD15, "euler", {"beta_start": -1.0}, "beta_start is -1.0; it takes a number above 0 and"),
        (
            SD15,
            "euler",
            {"beta_end": 2.0},
            "beta_end is 2.0; it takes a number above 0 and below 1",
        ),
        (SD15, "euler", {"num_train_timesteps": True}, "is True; EulerDiscreteScheduler takes int"),
        (
            SD15,
            "euler",
            {"num_train_timesteps": 0},
            "num_train_timesteps is 0; it takes an integer",
        ),
        (SD15, "euler", {"steps_offset": -3}, "steps_offset is -3; it takes an integer from 0"),
        (SD15, "euler", {"sigma_min": "x"}, "sigma_min is 'x'; it takes a number above 0"),
        (SD15, "euler", {"timestep_type": "foo"}, "is 'foo'; it takes discrete, continuous"),
        (SD15, "euler", {"prediction_type": "foo"}, "is 'foo'; it takes epsilon, v_prediction,"),
        (SD15, "euler", {"trained_betas": "x"}, "has 'trained_betas', which is no setting"),
        (SD15, "unipc", {"solver_p": "x"}, "has 'solver_p', which is no setting"),
        (SD15, "unipc", {"disable_corrector": 0}, "has 'disable_corrector', which is no setting"),
        (SD15, "ddim", {"sample_max_value": 2.0}, "has 'sample_max_value', which is no setting"),
        (SD15, "dpm++", {"solver_order": 0}, "solver_order is 0; it takes an integer from 1 to 3"),
        (SD15, "dpm++", {"solver_order": 7}, "solver_order is 7; it takes an integer from 1 to 3"),
        (SD15, "unipc", {"solver_order": 0}, "solver_order is 0; it takes an integer from 1"),
        (SD15, "unipc", {"solver_order": 21}, "is 21; it takes an integer from 1 to 20"),
        (SD15, "unipc", {"lower_order_final": False}, "lower_order_final = true, or final_sigmas"),
        (SD15, "unipc", {"predict_x0": False}, 'final_sigmas_type = "sigma_min"'),
        (SD15, "ddpm", {"variance_type": "learned"}, "variance_type is 'learned'; it takes fixed_"),
        (SD15, "ddpm", {"variance_type": "foo"}, "variance_type is 'foo'; it takes fixed_small,"),
        (
            SD15,
            "lcm",
            {"original_inference_steps": 0},
            "original_inference_steps is 0; it takes an",
        ),
        (
            SD15,
            "lcm",
            {"timestep_scaling": 0.0},
            "timestep_scaling is 0.0; it takes a number above",
        ),
        (SD15, "dpm++", {"solver_type": "bh2"}, "is 'bh2'; DPMSolverMultistepScheduler takes mid"),
        (SD15, "deis", {"solver_type": "bh1"}, "'bh1'; DEISMultistepScheduler takes logrho"),
        (SD15, "deis", {"algorithm_type": "dpmsolver++"}, "DEISMultistepScheduler takes deis"),
        (SD15, "unipc", {"solver_type": "midpoint"}, "UniPCMultistepScheduler takes bh1, bh2"),
        (PLAYGROUND, "edm_dpm++", {"solver_type": "bh2"}, "Scheduler takes midpoint, heun"),
        (SD15, "unipc", {"use_dynamic_shifting": True}, "which are not shifted; leave it out"),
        (SD15, "dpm++", {"use_dynamic_shifting": True}, "noise levels, which are not shifted"),
        (SD15, "unipc", {"flow_shift": 3.0}, "noise levels, which are not shifted"),
        (SD15, "pndm", {"prediction_type": "sample"}, "choose another method.sampler, as ddim"),
        (SD15, "euler_a", {"prediction_type": "sample"}, "choose another method.sampler, as ddim"),
        (SD15, "kdpm2", {"prediction_type": "sample"}, "choose another method.sampler, as ddim"),
        (SD3, "flow", {"shift": 0.0}, "shift is 0.0; it takes a number above 0"),
        (SD3, "flow", {"shift": -1.0}, "shift is -1.0; it takes a number above 0"),
        (SD3, "dpm++", {"flow_shift": 0.0}, "flow_shift is 0.0; it takes a number above 0"),
        (SD3, "flow", {"shift_terminal": 2.0}, "shift_terminal is 2.0; it takes a number above 0"),
        (SD3, "flow", {"invert_sigmas": True}, "invert_sigmas is True; it takes False"),
        (FLUX, "flow", {"max_image_seq_len": 256}, "is 256; it should be above base_image_seq_len"),
        (PLAYGROUND, "model", {"rho": 0.0}, "rho is 0.0; it takes a number above 0"),
        (SD15, "dpm++", {"lambda_min_clipped": 5.0}, "is 5.0; it takes a number up to 0"),
    ],
)
def test_a_value_that_no_schedule_has_is_refused_by_name(config, sampler, options, refused):
    with pytest.raises(ValueError, match=re.escape(refused)):
        make_schedule(config, 4, sampler, options)


@pytest.mark.parametrize(
    ("sampler", "options"),
    [
        ("unipc", {"predict_x0": False, "final_sigmas_type": "sigma_min"}),
        ("unipc", {"solver_order": 5}),
        ("unipc", {"solver_order": 20}),
        ("unipc", {"solver_order": 1, "lower_order_final": False}),
        ("unipc", {"lower_order_final": False, "final_sigmas_type": "sigma_min"}),
        ("dpm++", {"solver_order": 3}),
        ("ddim", {"prediction_type": "sample"}),
        ("ddpm", {"variance_type": "fixed_large"}),
        ("dpm++", {"use_flow_sigmas": False}),
        ("unipc", {"use_dynamic_shifting": False}),
        ("dpm++", {"solver_type": "heun"}),
        ("dpm++", {"algorithm_type": "sde-dpmsolver++"}),
    ],
)
def test_remedies_and_other_values_are_accepted(sampler, options):
    assert len(make_schedule(SD15, 4, sampler, options)) == 4


@pytest.mark.parametrize(
    ("config", "sampler", "options"),
    [
        (SD15, "dpm++", {"use_flow_sigmas": True}),
        (SD15, "ddim", {"prediction_type": "flow_prediction"}),
        (PLAYGROUND, "model", {"prediction_type": "flow_prediction"}),
        (SD3, "dpm++", {"use_flow_sigmas": False}),
        (SD3, "unipc", {"prediction_type": "epsilon"}),
        (FLUX, "unipc", {"prediction_type": "v_prediction"}),
    ],
)
def test_what_a_model_was_trained_for_is_not_replaced(config, sampler, options):
    with pytest.raises(ValueError, match="which no setting changes; leave it out"):
        make_schedule(config, 4, sampler, options)


@pytest.mark.parametrize(
    "wrong",
    [
        {"use_flow_sigmas": True, "prediction_type": "epsilon"},
        {"use_flow_sigmas": False, "prediction_type": "flow_prediction"},
    ],
)
def test_noise_levels_and_prediction_of_a_models_scheduler_belong_together(wrong):
    own = {**SD15, "_class_name": "DPMSolverMultistepScheduler"}
    with pytest.raises(ValueError, match="correct the model's scheduler_config"):
        make_schedule({**own, **wrong}, 4, "model", {})
    right = {"use_flow_sigmas": True, "prediction_type": "flow_prediction"}
    assert len(make_schedule({**own, **right}, 4, "model", {})) == 4


def test_the_prediction_of_a_folder_is_not_replaced_but_that_of_a_file_is_not_known():
    folder = {**SD15, "prediction_type": "epsilon"}
    with pytest.raises(ValueError, match="'v_prediction', but the model's is 'epsilon'; leave it"):
        check_prediction(folder, {"prediction_type": "v_prediction"})
    check_prediction(folder, {"prediction_type": "epsilon"})
    check_prediction(folder, {"use_karras_sigmas": True})
    check_prediction(SD15, {"prediction_type": "v_prediction"})


PURE_NOISE = {"rescale_betas_zero_snr": True, "timestep_spacing": "trailing"}


@pytest.mark.parametrize("sampler", ["ddim", "euler", "dpm++", "unipc", "lcm", "tcd", "ddpm"])
def test_a_model_that_predicts_noise_does_not_begin_at_pure_noise(sampler):
    with pytest.raises(ValueError, match=r"leave out method\.scheduler\.rescale_betas_zero_snr"):
        make_schedule(SD15, 2, sampler, PURE_NOISE)
    own = {**SD15, **PURE_NOISE}
    with pytest.raises(ValueError, match=r"zero_snr = false, or correct the model's scheduler_con"):
        make_schedule(own, 2, sampler)
    assert len(make_schedule(own, 2, sampler, {"rescale_betas_zero_snr": False})) == 2
    assert len(make_schedule(own, 2, sampler, {"prediction_type": "v_prediction"})) == 2


def test_the_remedy_for_pure_noise_is_one_that_works():
    """Of a folder the prediction is known, and of a single file it may be given."""
    velocity = {**PURE_NOISE, "prediction_type": "v_prediction"}
    with pytest.raises(ValueError, match=r'if the model predicts the velocity, set .* "v_pred'):
        make_schedule(SD15, 2, "ddim", PURE_NOISE)
    assert len(make_schedule(SD15, 2, "ddim", velocity)) == 2
    with pytest.raises(ValueError, match="leave out") as refused:
        make_schedule({**SD15, "prediction_type": "epsilon"}, 2, "ddim", PURE_NOISE)
    assert "v_prediction" not in str(refused.value)


def test_steps_that_leave_out_pure_noise_may_predict_noise():
    spaced = {**PURE_NOISE, "timestep_spacing": "leading"}
    assert make_schedule({**SD15, **spaced}, 4, "ddim").alphas[0] > 0.1


@pytest.mark.parametrize("sampler", ["lcm", "tcd"])
def test_more_steps_than_a_distilled_sampler_has_are_refused_with_the_setting(sampler):
    refused = "set method.steps = 50 or fewer, or method.scheduler.original_inference_steps = 60"
    with pytest.raises(ValueError, match=re.escape(refused)):
        make_schedule(SD15, 60, sampler)
    assert len(make_schedule(SD15, 50, sampler)) == 50
    assert len(make_schedule(SD15, 60, sampler, {"original_inference_steps": 60})) == 60


def test_fewer_trained_noise_levels_than_timesteps_are_refused():
    own = {**SD15, "trained_betas": [0.01] * 10}
    with pytest.raises(ValueError, match="trained_betas of 10 noise levels, but 1000 timesteps"):
        make_schedule(own, 4)
    assert len(make_schedule({**own, "trained_betas": [0.01] * 1000}, 4)) == 4
