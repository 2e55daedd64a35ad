"""Settings of schedulers that change no image are found, whatever the reason."""

import pytest

from muse.diffusion.schedule.unused_options import unused_options
from muse.method import Method
from tests.support.scheduler_configs import SD3, SD15

DYNAMIC = {**SD3, "use_dynamic_shifting": True}
TRAILING = {"timestep_spacing": "trailing"}
LEADING = {"timestep_spacing": "leading"}
KARRAS = {"use_karras_sigmas": True}


def _unused(config, sampler, options):
    method = Method(steps=4, sampler=sampler, scheduler=options)
    told = list(unused_options(method, config))
    assert all(": no effect with " in sentence for sentence in told)
    return [sentence.split(":")[0].rpartition(".")[2] for sentence in told]


@pytest.mark.parametrize(
    ("config", "sampler", "options", "unused"),
    [
        (SD15, "euler", {"sigma_min": 0.1, "sigma_max": 3.0}, ["sigma_min", "sigma_max"]),
        (SD15, "unipc", {"sigma_min": 0.1}, ["sigma_min"]),
        (SD15, "lcm", TRAILING, ["timestep_spacing"]),
        (SD15, "tcd", {"timestep_scaling": 3.0}, ["timestep_scaling"]),
        (SD15, "dpm++", {**KARRAS, **TRAILING}, ["timestep_spacing"]),
        (SD15, "euler", {**TRAILING, "steps_offset": 5}, ["steps_offset"]),
        (SD15, "dpm++", {"variance_type": "fixed_large"}, ["variance_type"]),
        (SD15, "dpm++", {"euler_at_final": True}, ["euler_at_final"]),
        (SD3, "flow", {"base_shift": 3.0, "max_shift": 9.0}, ["base_shift", "max_shift"]),
        (SD3, "flow", {"time_shift_type": "linear"}, ["time_shift_type"]),
        (SD3, "dpm++", {"beta_start": 0.01, **TRAILING}, ["beta_start", "timestep_spacing"]),
        (SD3, "unipc", {"rescale_betas_zero_snr": True}, ["rescale_betas_zero_snr"]),
    ],
)
def test_a_setting_that_changes_nothing_is_told(config, sampler, options, unused):
    assert _unused(config, sampler, options) == unused


@pytest.mark.parametrize(
    ("config", "sampler", "options"),
    [
        (SD15, "euler", {**KARRAS, "sigma_min": 0.1, "sigma_max": 3.0}),
        (SD15, "lcm", {"timestep_scaling": 1.0, "original_inference_steps": 20}),
        (SD15, "ddpm", {"variance_type": "fixed_large"}),
        (SD15, "dpm++", {"solver_type": "heun", **LEADING, "steps_offset": 5}),
        (SD15, "ddim", {"prediction_type": "v_prediction", **TRAILING}),
        (DYNAMIC, "flow", {"base_shift": 0.3, "max_shift": 0.9}),
        (DYNAMIC, "flow", {"base_image_seq_len": 1000, "max_image_seq_len": 3000}),
        (SD3, "flow", {"shift": 2.0}),
        # What repeats the default, or the model's file.
        (SD15, "unipc", {"predict_x0": True, "lower_order_final": True}),
        (SD15, "ddim", {"steps_offset": 1, "beta_end": 0.012}),
    ],
)
def test_a_setting_that_has_an_effect_or_repeats_what_is_so_is_not(config, sampler, options):
    assert _unused(config, sampler, options) == []


def test_what_would_make_it_read_is_named():
    method = Method(steps=4, sampler="euler", scheduler={"sigma_min": 0.1})
    (told,) = unused_options(method, SD15)
    assert "with EulerDiscreteScheduler and its other settings; it is read with use_karras" in told
    method = Method(steps=4, sampler="lcm", scheduler={"steps_offset": 2})
    (told,) = unused_options(method, SD15)
    assert told.endswith("and its other settings"), "it is never read"
    assert list(unused_options(Method(), SD15)) == []
