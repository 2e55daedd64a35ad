"""What a model reads of its prompts is known from its files, as its backbone has it."""

import json

import pytest
import torch

from muse.diffusion.backbones import load_backbone
from muse.diffusion.files.model_files import ModelFolder
from muse.diffusion.prompt_lengths import negative_prompts_without_effect, prompt_lengths
from muse.method import Method
from tests.support.families import FAMILIES


@pytest.mark.parametrize("family", ["sdxl", "flux", "flux_schnell", "z_image"])
def test_the_lengths_of_a_folder_are_those_of_its_backbone(family, tokenizer, tmp_path):
    torch.manual_seed(0)
    FAMILIES[family](tokenizer).save_pretrained(tmp_path)
    lengths = prompt_lengths(ModelFolder.read(tmp_path))
    whole = load_backbone(tmp_path).text.whole
    own = tokenizer.model_max_length
    assert [length or own for length in lengths.values()] == [t.model_max_length for t in whole]
    expected = {"sdxl": [own, own], "flux": [512], "flux_schnell": [256], "z_image": [512]}
    assert [t.model_max_length for t in whole] == expected[family]


@pytest.mark.parametrize(
    ("family", "network", "method", "message"),
    [
        ("FluxPipeline", {}, {}, "method.true_cfg_scale = 1: they are read above 1"),
        ("FluxPipeline", {}, {"true_cfg_scale": 2.0}, None),
        ("StableDiffusionPipeline", {"time_cond_proj_dim": 8}, {}, "method.true_cfg_scale = 1"),
        ("StableDiffusionPipeline", {}, {}, None),
        ("StableDiffusionPipeline", {}, {"guidance_scale": 1.0}, "method.guidance_scale = 1"),
        ("ZImagePipeline", {}, {"guidance_scale": 1.0}, None),
        ("ZImagePipeline", {}, {"guidance_scale": 0.0}, "method.guidance_scale = 0"),
    ],
)
def test_negative_prompts_have_an_effect_only_with_guidance(
    tmp_path, family, network, method, message
):
    part = "unet" if family == "StableDiffusionPipeline" else "transformer"
    (tmp_path / part).mkdir()
    (tmp_path / part / "config.json").write_text(json.dumps({"_class_name": "x", **network}))
    index = {"_class_name": family, part: ["diffusers", "x"]}
    (tmp_path / "model_index.json").write_text(json.dumps(index))
    folder = ModelFolder.read(tmp_path)
    found = negative_prompts_without_effect(folder, Method(**method), editing=False)
    assert found == message if message is None else found.startswith(message)
