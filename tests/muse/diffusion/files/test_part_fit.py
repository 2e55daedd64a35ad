"""Parts that do not fit each other are found by their settings; nothing is loaded."""

import re

import pytest

from muse.diffusion.files.part_fit import (
    channel_problems,
    clip_skip_problem,
    latents_problem,
    tiny_vae_problem,
    vae_problem,
    width_problems,
)

SD, XL, SD3, FLUX, Z = (
    f"{name}Pipeline"
    for name in ("StableDiffusion", "StableDiffusionXL", "StableDiffusion3", "Flux", "ZImage")
)
KL = {"_class_name": "AutoencoderKL", "block_out_channels": [128, 256, 512, 512]}
TINY = {"_class_name": "AutoencoderTiny", "decoder_block_out_channels": [64] * 4}


@pytest.mark.parametrize(
    ("family", "network", "latents", "expected"),
    [
        (SD, {"in_channels": 4, "out_channels": 4}, 4, None),
        (SD, {"in_channels": 9, "out_channels": 4}, 4, "takes 9 channels, .* for inpainting"),
        (SD, {"in_channels": 8}, 4, "takes 8 channels, but the latents have 4: .* by instruction"),
        (SD, {"in_channels": 4, "out_channels": 4}, 8, "latents have 8, by vae/.* another family"),
        (SD, {"in_channels": 8, "out_channels": 8}, 4, "takes 8 .* have 4, by vae/config.json"),
        (FLUX, {"in_channels": 64, "out_channels": None}, 16, None),
        (FLUX, {"in_channels": 64, "out_channels": None}, 4, "takes 64 .* have 16, by vae/"),
        (FLUX, {"in_channels": 384, "out_channels": 64}, 16, "takes 384 .* for inpainting"),
        (SD, {"in_channels": 4, "out_channels": 8}, 4, "gives 8 channels, .* a variance as well"),
        (SD3, {"in_channels": 16, "out_channels": 32}, 16, "gives 32 channels, but .* have 16"),
        (Z, {"in_channels": 16}, 16, None),
        (Z, {}, 4, None),
    ],
)
def test_the_network_tells_inpainting_from_a_vae_of_another_family(
    family, network, latents, expected
):
    name = "unet" if family == SD else "transformer"
    problems = [*channel_problems(family, network, {"latent_channels": latents}, name)]
    assert len(problems) == (expected is not None)
    for problem in problems:
        _assert_matches(expected, problem)


def _assert_matches(pattern, problem):
    assert re.search(pattern, problem), problem


CLIP, OPEN_CLIP = {"hidden_size": 768, "projection_dim": 768}, {"projection_dim": 1280}
OPEN_CLIP |= {"hidden_size": 1280}


@pytest.mark.parametrize(
    ("family", "settings", "expected"),
    [
        (SD, {"text_encoder": CLIP, "unet": {"cross_attention_dim": 768}}, None),
        (SD, {"text_encoder": CLIP, "unet": {"cross_attention_dim": 1024}},
         "text_encoder/ and unet/ do not fit: hidden_size is 768, but cross_attention_dim is 1024"),
        (SD, {"text_encoder": {"model_type": "clip", "text_config": CLIP},
              "unet": {"cross_attention_dim": 1024}}, "hidden_size is 768"),
        (SD, {"text_encoder": CLIP, "unet": {"cross_attention_dim": 9, "encoder_hid_dim": 768}},
         None),
        (SD, {"text_encoder": CLIP, "unet": {"cross_attention_dim": [768, 9]}}, None),
        (SD, {"text_encoder": {}, "unet": {"cross_attention_dim": 9}}, None),
        (XL, {"text_encoder": CLIP, "text_encoder_2": OPEN_CLIP,
              "unet": {"cross_attention_dim": 2048}}, None),
        (XL, {"text_encoder": CLIP, "text_encoder_2": CLIP, "unet": {"cross_attention_dim": 2048}},
         r"text_encoder/ and text_encoder_2/ and unet/ do not fit: hidden_size is 768 \+ 768"),
        (SD3, {"text_encoder": CLIP, "text_encoder_2": OPEN_CLIP,
               "transformer": {"pooled_projection_dim": 2048, "joint_attention_dim": 4096}}, None),
        (SD3, {"text_encoder_3": {"d_model": 2048}, "transformer": {"joint_attention_dim": 4096}},
         "text_encoder_3/ and transformer/ do not fit: d_model is 2048"),
        (FLUX, {"text_encoder": OPEN_CLIP, "transformer": {"pooled_projection_dim": 768}},
         "hidden_size is 1280, but pooled_projection_dim is 768"),
        (FLUX, {"text_encoder_2": {"d_model": 64}, "transformer": {"joint_attention_dim": 64}},
         None),
        (Z, {"text_encoder": {"hidden_size": 2048}, "transformer": {"cap_feat_dim": 2560}},
         "hidden_size is 2048, but cap_feat_dim is 2560"),
    ],
)  # fmt: skip
def test_what_the_text_encoders_give_is_what_the_network_reads(family, settings, expected):
    name = "unet" if "unet" in settings else "transformer"
    problems = [*width_problems(family, lambda part: settings.get(part, {}), name)]
    assert len(problems) == (expected is not None)
    for problem in problems:
        _assert_matches(expected, problem)
        assert problem.endswith("copy all of them from one model")


@pytest.mark.parametrize(
    ("family", "clip_skip", "expected"),
    [
        (SD, 0, None),
        (FLUX, 0, None),
        (SD, 11, None),
        (SD, 12, "is 12, but text_encoder/ has 12 layers; give at most 11"),
        (XL, 1, None),
        (FLUX, 1, "is 1, but a FluxPipeline reads no prompt by the layers of a CLIP; leave it out"),
        (Z, 2, "is 2, but a ZImagePipeline reads no prompt"),
    ],
)
def test_layers_are_left_out_of_clips_alone(family, clip_skip, expected):
    problem = clip_skip_problem(family, lambda _: {"num_hidden_layers": 12}, clip_skip)
    assert (problem is None) == (expected is None)
    if problem is not None:
        _assert_matches(expected, problem)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, None),
        ({"scaling_factor": 0.18215, "shift_factor": None}, None),
        ({"_class_name": "AutoencoderTiny"}, "its class is AutoencoderTiny, .* set tiny_vae to it"),
        ({"_class_name": "ConsistencyDecoderVAE"}, "not AutoencoderKL; give one of that class"),
        ({"latent_channels": 16}, "its latent_channels is 16, but .* own VAE is 4"),
        (
            {"latents_mean": [1.0] * 4, "latents_std": [5.0] * 4},
            r"its latents_mean is \[1.0, .* own VAE is null, so that their latents differ",
        ),
        ({"shift_factor": "0.1"}, r"the shift_factor in its config.json is \"0.1\"; set it"),
        ({"scaling_factor": 0.13025}, "its scaling_factor is 0.13025, but .* 0.18215"),
        ({"block_out_channels": [128, 256]}, "it has 2 blocks, but the model's own VAE has 4"),
    ],
)
def test_a_vae_of_another_family_is_refused(settings, expected):
    problem = vae_problem(KL | settings, KL)
    assert (problem is None) == (expected is None)
    if problem is not None:
        _assert_matches(expected, problem)


@pytest.mark.parametrize(
    ("tiny", "expected"),
    [
        (TINY, None),
        ({}, None),
        (KL, r"its class is AutoencoderKL, which is no tiny decoder .* tiny_vae = \"none\""),
        (TINY | {"latent_channels": 16}, "latents of 16 channels, but those of the model have 4"),
        (TINY | {"decoder_block_out_channels": [64] * 3}, "it has 3 blocks, but .* VAE has 4"),
    ],
)
def test_what_is_no_tiny_decoder_of_the_model_is_refused(tiny, expected):
    problem = tiny_vae_problem(tiny, KL)
    assert (problem is None) == (expected is None)
    if problem is not None:
        _assert_matches(expected, problem)


@pytest.mark.parametrize("factor", [None, 0, -1.0, True, "0.18215", float("nan"), float("inf")])
def test_a_vae_needs_a_number_by_which_its_latents_are_scaled(factor):
    vae = {**KL, "scaling_factor": factor}
    for problem in (latents_problem(vae), vae_problem(vae, KL)):
        _assert_matches("the scaling_factor in its config.json is .*; set it to", problem)
    assert latents_problem(KL) is None
    assert latents_problem({**KL, "scaling_factor": 0.13025}) is None


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"shift_factor": 0.0609}, None),
        ({"shift_factor": None}, None),
        ({"shift_factor": "0.1"}, 'the shift_factor in its config.json is "0.1"; set it to the'),
        ({"shift_factor": float("nan")}, "the shift_factor in its config.json is NaN"),
        ({"latents_mean": [0.5] * 4, "latents_std": [2.0] * 4}, None),
        ({"latents_mean": [0.5] * 4}, None),
        ({"latents_std": [2.0] * 4}, None),
        ({"latents_mean": [0.5] * 2, "latents_std": [2.0] * 2},
         r"the latents_mean in .* is \[0.5, 0.5\], .* a number for each of its 4 latent channels"),
        ({"latents_mean": ["a"] * 4, "latents_std": [2.0] * 4}, "the latents_mean in "),
        ({"latents_mean": [0.5] * 4, "latents_std": [0.0] * 4},
         "the latents_std in .* a number above 0 for each"),
        ({"latents_mean": "abcd", "latents_std": "abcd"}, "the latents_mean in "),
    ],
)  # fmt: skip
def test_latents_are_shifted_and_normalised_by_numbers(settings, expected):
    problem = latents_problem({**KL, **settings})
    assert (problem is None) == (expected is None)
    if problem is not None:
        _assert_matches(expected, problem)
