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
