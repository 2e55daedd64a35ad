"""Schedules of all samplers, their options, and what is refused."""

import diffusers
import pytest
import torch

from muse.diffusion.schedule.schedulers import SAMPLERS
from muse.diffusion.schedule.schedules import latent_scale, make_schedule

SD15 = {
    "_class_name": "PNDMScheduler",
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "skip_prk_steps": True,
    "set_alpha_to_one": False,
    "steps_offset": 1,
}
LEADING = {"timestep_spacing": "leading"}
SD3 = {"_class_name": "FlowMatchEulerDiscreteScheduler", "shift": 3.0}
PLAYGROUND = {"_class_name": "EDMDPMSolverMultistepScheduler", "sigma_data": 0.5}
CONFIGS = {"diffusion": SD15, "flow": SD3, "edm": PLAYGROUND}
CELLS = [(training, name) for training, known in SAMPLERS.items() for name in known]


@pytest.mark.parametrize(("training", "sampler"), CELLS)
@pytest.mark.parametrize("steps", [2, 8])
def test_every_schedule_falls_from_noise_to_signal(training, sampler, steps):
    schedule = make_schedule(CONFIGS[training], steps, sampler)
    assert len(schedule.alphas) == len(schedule.sigmas) == len(schedule) + 1
    ratio = schedule.sigmas / schedule.alphas
    assert (ratio[1:] <= ratio[:-1]).all()
    assert ratio[0] > (1 if steps == 2 else 5)
    assert ratio[-1] < 0.1
    total = schedule.alphas + schedule.sigmas
    if training != "flow":
        total = schedule.alphas.square() + schedule.sigmas.square()
    assert torch.allclose(total, torch.ones_like(total))


def test_a_row_begins_where_a_step_begins():
    heun, pndm = (make_schedule(SD15, 4, sampler) for sampler in ("heun", "pndm"))
    assert [heun.begin(step) for step in range(5)] == [0, 2, 2, 4, 4]
    assert [pndm.begin(step) for step in range(4)] == [0, 2, 2, 3]


def test_a_correction_that_stays_at_its_level_is_told_from_one_between_two():
    heun, kdpm2 = (make_schedule(SD15, 3, sampler) for sampler in ("heun", "kdpm2"))
    assert [heun.stays(step) for step in range(5)] == [False, True, False, True, False]
    assert not any(kdpm2.stays(step) for step in range(5))
    assert [kdpm2.begin(step) for step in range(5)] == [0, 2, 2, 4, 4]


def test_spacing_that_starts_elsewhere_scales_the_noise():
    leading, trailing = (
        make_schedule(SD15, 4, "euler", {"timestep_spacing": spacing})
        for spacing in ("leading", "trailing")
    )
    noise = torch.ones(1, 4, 2, 2)
    assert torch.equal(leading.initial(noise), noise)
    assert torch.allclose(trailing.initial(noise), noise * float(trailing.sigmas[0]))


def test_options_replace_what_the_model_left_at_its_defaults():
    """diffusers notes which settings a config did not name, and drops them for another class."""
    config = diffusers.DDIMScheduler.from_config(SD15).config
    config = {**config, "_class_name": "DDIMScheduler"}
    assert "timestep_spacing" in config["_use_default_values"]
    trailing = make_schedule(config, 1, "euler", {"timestep_spacing": "trailing"})
    assert trailing.timesteps.tolist() == [999.0]


def test_options_replace_the_models_settings():
    karras = make_schedule(SD15, 8, "euler", {"use_karras_sigmas": True})
    theirs = diffusers.EulerDiscreteScheduler.from_config(SD15, use_karras_sigmas=True)
    theirs.set_timesteps(8)
    assert karras.timesteps.tolist() == theirs.timesteps.tolist()
    shifted = make_schedule(SD3, 8, options={"shift": 1.0})
    assert float(shifted.sigmas[4]) < float(make_schedule(SD3, 8).sigmas[4])
    assert make_schedule(SD15, 4, "dpm++", {"prediction_type": "v_prediction"}).prediction == (
        "v_prediction"
    )


@pytest.mark.parametrize(
    ("sampler", "options", "problem"),
    [
        (
            "ddim",
            {"use_karras": True},
            "'use_karras', which is no setting of DDIMScheduler",
        ),
        ("ddim", {"clip_sample": True}, "'clip_sample', which is no setting"),
        ("euler", {"use_karras_sigmas": "yes"}, "is 'yes'; EulerDiscreteScheduler takes bool"),
        ("ddim", {"beta_start": True}, "takes float, as 0.0001"),
        ("euler", {"timestep_spacing": "wide"}, "EulerDiscreteScheduler"),
        ("pndm", {"skip_prk_steps": False}, r"method\.scheduler\.skip_prk_steps = true"),
        ("unipc", {"solver_type": "bh1"}, r'solver_type = "bh2", or final_sigmas_type = "sigma_'),
    ],
)
def test_options_that_do_not_fit_are_refused(sampler, options, problem):
    with pytest.raises(ValueError, match=problem):
        make_schedule(SD15, 4, sampler, options)


def test_what_a_schedule_cannot_have_is_refused_with_the_remedy():
    with pytest.raises(ValueError, match="LCMScheduler cannot make 60 steps"):
        make_schedule(SD15, 60, "lcm")
    with pytest.raises(ValueError, match=r"IPNDMScheduler cannot .*method\.sampler: ddim"):
        make_schedule({**SD15, "_class_name": "IPNDMScheduler"}, 4)


@pytest.mark.parametrize("sampler", ["ddim", "pndm", "ddpm"])
def test_more_steps_than_timesteps_leave_room_for_are_refused(sampler):
    with pytest.raises(ValueError, match=r"1000, beyond the model's last, 999.*steps_offset = 0"):
        make_schedule(SD15, 1000, sampler)
    assert len(make_schedule(SD15, 1000, sampler, {"steps_offset": 0})) >= 1000
    with pytest.raises(ValueError, match="steps is 30, but the model has 20 noise levels"):
        make_schedule(SD15, 30, sampler, {"num_train_timesteps": 20})


def test_an_offset_beyond_the_last_timestep_is_refused():
    with pytest.raises(ValueError, match="begins at timestep 1066, beyond the model's last"):
        make_schedule(SD15, 3, "euler", {**LEADING, "steps_offset": 400})
    assert len(make_schedule(SD15, 1000, "euler", LEADING)) == 1000


@pytest.mark.parametrize("sampler", ["unipc", "dpm++", "deis"])
def test_steps_that_all_fall_on_the_first_timestep_are_refused_with_the_remedy(sampler):
    with pytest.raises(ValueError, match=r'take fewer steps, or set .*spacing = "trailing"'):
        make_schedule(SD15, 1000, sampler, LEADING)
    assert len(make_schedule(SD15, 1000, sampler, {"timestep_spacing": "trailing"})) == 1000
    assert len(make_schedule(SD15, 999, sampler, LEADING)) == 999


@pytest.mark.parametrize(
    ("config", "sampler", "options"),
    [
        (SD15, "euler", {"sigma_min": 5.0, "sigma_max": 1.0, "use_karras_sigmas": True}),
        (SD3, "dpm++", {"use_karras_sigmas": True}),
    ],
)
def test_noise_levels_that_do_not_fall_are_refused(config, sampler, options):
    with pytest.raises(ValueError, match="noise levels that do not fall from noise to a clean"):
        make_schedule(config, 4, sampler, options)


@pytest.mark.parametrize(
    ("config", "sampler", "options"),
    [
        (SD15, "ddim", {"beta_schedule": "none"}),
        (SD15, "euler", {"use_karras_sigmas": True, "use_beta_sigmas": True}),
        (SD3, "flow", {"time_shift_type": "none"}),
    ],
)
def test_what_diffusers_refuses_is_refused_by_name(config, sampler, options):
    with pytest.raises(ValueError, match=r"^method\.scheduler: \w+ does not take these settings: "):
        make_schedule(config, 4, sampler, options)


def test_an_error_of_diffusers_arithmetic_is_a_refusal(monkeypatch):
    def broken(self, *args, **kwargs):
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr(diffusers.DDIMScheduler, "set_timesteps", broken)
    with pytest.raises(ValueError, match="DDIMScheduler cannot make 4 steps: division by zero"):
        make_schedule(SD15, 4, "ddim")
    monkeypatch.setattr(diffusers.DDIMScheduler, "__init__", broken)
    with pytest.raises(ValueError, match="does not take these settings: division by zero"):
        make_schedule(SD15, 4, "ddim")


@pytest.mark.parametrize("sampler", ["euler", "edm_euler"])
def test_noise_that_the_last_step_leaves_is_added_to_the_whole_image(sampler):
    config = PLAYGROUND if sampler == "edm_euler" else SD15
    ends = make_schedule(config, 4, sampler, {"final_sigmas_type": "sigma_min"})
    assert float(ends.alphas[-1]) == 1.0
    assert float(ends.sigmas[-1]) > 0
    clean = make_schedule(config, 4, sampler)
    assert float(clean.alphas[-1]) == 1.0
    assert float(clean.sigmas[-1]) == 0.0


def test_ddim_with_linspace_takes_diffusers_own_steps():
    """They end beside the timestep that the network is given next."""
    options = {"timestep_spacing": "linspace"}
    assert make_schedule(SD15, 20, "ddim", options).scheduler is not None
    assert make_schedule(SD15, 20, "ddim").scheduler is None


@pytest.mark.parametrize("sampler", ["heun", "pndm"])
def test_a_model_that_begins_at_pure_noise_is_not_run_from_less(sampler):
    zero = {"rescale_betas_zero_snr": True, "prediction_type": "v_prediction"}
    config = {**SD15, "_class_name": "DDIMScheduler", **zero}
    with pytest.raises(ValueError, match=r"cannot begin at pure noise.*as ddim or euler"):
        make_schedule(config, 8, sampler)
    assert float(make_schedule(config, 8, "ddim", {"timestep_spacing": "trailing"}).alphas[0]) == 0


def test_one_step_begins_at_noise_or_is_refused():
    with pytest.raises(ValueError, match=r'not begin at noise.*timestep_spacing = "trailing"'):
        make_schedule(SD15, 1)
    one = make_schedule(SD15, 1, "euler", {"timestep_spacing": "trailing"})
    assert one.timesteps.tolist() == [999.0]
    assert len(make_schedule(SD3, 1)) == len(make_schedule(PLAYGROUND, 1)) == 1


def test_latents_of_edm_are_in_units_of_the_datas_deviation():
    assert latent_scale(PLAYGROUND) == 0.5
    assert latent_scale(SD15) == latent_scale(SD3) == 1.0
