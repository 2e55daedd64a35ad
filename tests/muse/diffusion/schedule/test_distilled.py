"""Distilled models are recognised, and those that are not are left alone."""

import pytest

from muse.diffusion.schedule.distilled import distillation_of, distilled_warnings
from muse.method import Method

EULER = {"_class_name": "EulerDiscreteScheduler", "timestep_spacing": "leading"}
TRAILING = EULER | {"timestep_spacing": "trailing"}


@pytest.mark.parametrize(
    ("name", "network", "scheduler", "loras", "because", "steps"),
    [
        ("owner/model", {"time_cond_proj_dim": 256}, EULER, (), "given the guidance scale", 4),
        ("owner/model", {}, {"_class_name": "LCMScheduler"}, (), "scheduler is LCMScheduler", 4),
        ("owner/model", {}, TRAILING, (), "trailing timesteps", 4),
        ("stabilityai/sdxl-turbo", {}, EULER, (), "says turbo", 4),
        ("/models/sdxl_lightning_8step.safetensors", {}, EULER, (), "says lightning", 8),
        ("owner/model", {}, EULER, ("Hyper-SDXL-2steps-lora.safetensors",), "says hyper", 2),
        ("owner/model", {}, EULER, ("/lora/lcm-lora-sdv1-5",), "says lcm", 4),
    ],
)
def test_a_distilled_model_is_recognised(name, network, scheduler, loras, because, steps):
    found = distillation_of(name, network, scheduler, loras)
    assert found is not None
    assert because in found.because
    assert found.steps == steps


@pytest.mark.parametrize(
    ("name", "scheduler"),
    [
        ("owner/model", EULER),
        ("/turbo/hyperrealistic-v2", EULER),
        ("owner/model", TRAILING | {"rescale_betas_zero_snr": True}),
        ("owner/model", {"_class_name": "DDIMScheduler", "timestep_spacing": "trailing"}),
    ],
)
def test_a_model_of_many_steps_is_not(name, scheduler):
    assert distillation_of(name, {"time_cond_proj_dim": None}, scheduler) is None


def test_what_is_asked_beyond_its_training_is_named_with_the_remedy():
    (warning,) = distilled_warnings("owner/sdxl-turbo", Method(), {}, TRAILING)
    for part in ("sdxl-turbo was", "method.steps = 20", "method.guidance_scale = 4",
                 "set method.steps = 4, method.guidance_scale = 1"):  # fmt: skip
        assert part in warning
    method = Method(steps=4, guidance_scale=1.0, edit_guidance_scale=1.0)
    assert not list(distilled_warnings("owner/sdxl-turbo", method, {}, TRAILING))
    # A LoRA does not bring the scheduler that it was distilled with.
    (warning,) = distilled_warnings("a/b", Method(), {}, EULER, ["lcm-lora-sdxl"])
    assert 'method.sampler = "lcm"' in warning


def test_a_network_that_is_given_the_guidance_may_have_more_of_it():
    embedding = {"time_cond_proj_dim": 256}
    assert not list(distilled_warnings("a/b", Method(steps=4), embedding, EULER))
    (warning,) = distilled_warnings("a/b", Method(), embedding, EULER)
    assert "guidance_scale" not in warning


def test_schnell_is_told_of_its_steps_and_not_of_guidance_that_it_does_not_read():
    network, flow = {"guidance_embeds": False}, {"_class_name": "FlowMatchEulerDiscreteScheduler"}
    (told,) = distilled_warnings("owner/FLUX.1-schnell", Method(), network, flow)
    assert "set method.steps = 4" in told
    assert "guidance_scale" not in told
