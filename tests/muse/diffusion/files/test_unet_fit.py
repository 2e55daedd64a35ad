"""Inputs of a U-Net that no run has are found by its settings; nothing is loaded."""

import pytest
import torch

from muse.diffusion.files.unet_fit import NEEDED, XL, missing_inputs, unet_problems
from tests.support.families import small_unet

SD = "StableDiffusionPipeline"
OF_XL = {
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 256,
    "projection_class_embeddings_input_dim": 2816,
}


def _problems(family, unet, projection_dim=1280):
    parts = {"unet": {"in_channels": 4, **unet}, "text_encoder_2": {}}
    if projection_dim is not None:
        parts["text_encoder_2"]["projection_dim"] = projection_dim
    return [*unet_problems(family, parts.__getitem__)]


@pytest.mark.parametrize(
    ("family", "unet", "told"),
    [
        (SD, {"num_class_embeds": 1000}, "(num_class_embeds is 1000), as upscalers are"),
        (SD, {"class_embed_type": "timestep"}, "(class_embed_type is timestep), as upscalers"),
        (SD, {"encoder_hid_dim_type": "text_image_proj"}, "is text_image_proj); give a text-to"),
        (SD, {"encoder_hid_dim_type": "ip_image_proj"}, "reads a picture beside the prompt"),
        (SD, OF_XL, "(addition_embed_type is text_time), which a StableDiffusionPipeline is not"),
        (XL, {}, "is None, but a StableDiffusionXLPipeline has text_time"),
        (XL, OF_XL | {"projection_class_embeddings_input_dim": 2560}, "is that of a refiner"),
        (XL, OF_XL | {"projection_class_embeddings_input_dim": 2818}, "is 2818, but .* are 2816"),
    ],
)
def test_what_a_run_does_not_give_is_named(family, unet, told):
    (problem,) = _problems(family, unet)
    assert all(part in problem for part in told.split(".*"))


@pytest.mark.parametrize(
    ("family", "unet"),
    [
        (SD, {}),
        (SD, {"class_embed_type": None, "num_class_embeds": None, "addition_embed_type": None}),
        (SD, {"encoder_hid_dim": 32, "encoder_hid_dim_type": "text_proj"}),
        (XL, OF_XL),
    ],
)
def test_a_u_net_that_reads_the_prompt_alone_is_taken(family, unet):
    assert _problems(family, unet) == []


def test_what_is_not_said_is_not_compared():
    assert _problems(XL, OF_XL, projection_dim=None) == []
    assert [*unet_problems(XL, {"unet": {}}.__getitem__)] == []


@pytest.mark.parametrize(
    ("settings", "more"),
    [
        ({"addition_embed_type": "text"}, {"addition_embed_type_num_heads": 4}),
        ({"addition_embed_type": "text_time"}, OF_XL),
        ({"encoder_hid_dim_type": "text_proj"}, {"encoder_hid_dim": 16}),
    ],
)
def test_inputs_that_the_weights_do_not_have_are_named(settings, more):
    """The names are those of diffusers, and all of them are needed."""
    ((key, value),) = settings.items()
    with torch.device("meta"):
        names = {*small_unet(32, **{**settings, **more}).state_dict()}
    assert [*missing_inputs(settings, names)] == []
    for lost in NEEDED[key][value]:
        (problem,) = missing_inputs(settings, names - {lost})
        assert problem.startswith("unet/ lacks 1 of the")
        assert f'{key} "{value}" needs ({lost}): config.json and weights are of' in problem
    assert [*missing_inputs({}, names)] == [*missing_inputs(settings, ())] == []
