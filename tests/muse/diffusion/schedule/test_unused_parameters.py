"""Parameters of the method that a model does not read are named."""

import pytest

from muse.diffusion.schedule.unused_parameters import unused_parameters
from muse.method import Method

SD, FLUX, Z_IMAGE = "StableDiffusionPipeline", "FluxPipeline", "ZImagePipeline"
DDIM = {"_class_name": "DDIMScheduler"}
FLOW = {"_class_name": "FlowMatchEulerDiscreteScheduler"}
LCM = {"time_cond_proj_dim": 256}


def _told(family, method, network=None):
    scheduler = DDIM if family == SD else FLOW
    return [*unused_parameters(Method(**method), family, network or {}, scheduler)]


@pytest.mark.parametrize(
    ("family", "method", "start"),
    [
        (
            SD,
            {"eta": 0.5, "sampler": "euler"},
            "method.eta: no effect with EulerDiscreteScheduler;",
        ),
        (FLUX, {"eta": 0.5}, "method.eta: no effect with FlowMatchEulerDiscreteScheduler"),
        (SD, {"true_cfg_scale": 3.0}, "method.true_cfg_scale: no effect, because this model is"),
        (Z_IMAGE, {"true_cfg_scale": 3.0}, "method.true_cfg_scale: no effect"),
        (FLUX, {"guidance_rescale": 0.5}, "method.guidance_rescale: no effect, because this model"),
        (
            SD,
            {"guidance_rescale": 0.5, "guidance_scale": 1.0},
            "method.guidance_rescale: no effect on images without a source, because "
            "method.guidance_scale = 1 is no guidance",
        ),
        (
            SD,
            {"guidance_rescale": 0.5, "edit_guidance_scale": 0.5},
            "method.guidance_rescale: no effect on edits, because method.edit_guidance_scale = 0.5",
        ),
        (
            Z_IMAGE,
            {"guidance_rescale": 0.5, "guidance_scale": 0.0, "edit_guidance_scale": 0.0},
            "method.guidance_rescale: no effect, because method.guidance_scale = 0 and "
            "method.edit_guidance_scale = 0 are no guidance",
        ),
    ],
)
def test_what_a_model_does_not_read_is_named(family, method, start):
    (told,) = _told(family, method)
    assert told.startswith(start)


def test_a_remedy_is_named_where_there_is_one():
    (told,) = _told(SD, {"eta": 0.5, "sampler": "euler"})
    assert "choose method.sampler = ddim or tcd" in told
    for sampler in ("ddim", "tcd"):
        assert _told(SD, {"eta": 0.5, "sampler": sampler}) == []


@pytest.mark.parametrize(
    ("family", "method", "network"),
    [
        (SD, {}, {}),
        (SD, {"eta": 0.5}, {}),
        (SD, {"guidance_rescale": 0.5}, {}),
        (SD, {"true_cfg_scale": 3.0}, LCM),
        (FLUX, {"true_cfg_scale": 3.0, "guidance_rescale": 0.5}, {}),
        (Z_IMAGE, {"guidance_rescale": 0.5, "guidance_scale": 0.5}, {}),
    ],
)
def test_what_has_an_effect_is_not_named(family, method, network):
    assert _told(family, method, network) == []


@pytest.mark.parametrize(
    ("family", "scheduler", "sampler", "keys"),
    [
        ("StableDiffusionXLPipeline", {**DDIM, "clip_sample": True}, "model", ["clip_sample"]),
        ("StableDiffusionXLPipeline", DDIM, "model", ["clip_sample"]),
        ("StableDiffusionXLPipeline", DDIM, "euler", []),
        ("StableDiffusionXLPipeline", {**DDIM, "clip_sample": False}, "model", []),
        ("StableDiffusionXLPipeline", {"_class_name": "EulerDiscreteScheduler"}, "ddim", []),
        (SD, {**DDIM, "clip_sample": True, "thresholding": True}, "model", ["thresholding"]),
        (
            SD,
            {"_class_name": "UniPCMultistepScheduler", "thresholding": True},
            "dpm++",
            ["thresholding"],
        ),
    ],
)
def test_settings_for_pixels_that_are_switched_off_are_told(family, scheduler, sampler, keys):
    told = [*unused_parameters(Method(sampler=sampler), family, {}, scheduler)]
    assert [sentence.split()[0] for sentence in told] == keys
    assert all("is switched off here" in sentence for sentence in told)


def test_a_scale_of_guidance_that_the_network_does_not_read_is_told_where_it_is_given():
    schnell = {"guidance_embeds": False}
    (told,) = _told(FLUX, {"guidance_scale": 3.0}, schnell)
    assert told.startswith("method.guidance_scale: no effect")
    assert _told(FLUX, {}, schnell) == []
    assert _told(FLUX, {"guidance_scale": 3.0}, {"guidance_embeds": True}) == []
