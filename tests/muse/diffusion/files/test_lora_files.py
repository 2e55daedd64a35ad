"""Adapters that are no LoRA are told before anything is loaded."""

import numpy as np
import pytest
from safetensors.numpy import save_file

from muse.diffusion.files.lora_files import lora_problems, network_layers
from muse.mini import WEIGHTS

FAMILY = "StableDiffusionPipeline"
LAYER = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q"


def _save(path, *names):
    save_file({f"{LAYER}.{name}": np.zeros((4, 4), np.float32) for name in names}, path)
    return path


@pytest.mark.parametrize(
    ("names", "kind"),
    [
        (("hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b"), "LoHa"),
        (("lokr_w1", "lokr_w2"), "LoKr"),
        (("lora_down.weight", "lora_up.weight", "lokr_w1"), "LoKr"),
        (("oft_blocks",), "OFT"),
        (("on_input",), "IA3"),
    ],
)
def test_other_kinds_are_named_with_the_remedy(tmp_path, names, kind):
    file = _save(tmp_path / "style.safetensors", *names)
    (problem,) = lora_problems(file, FAMILY)
    assert f"no LoRA but a {kind}" in problem
    assert "merge it into the model's weights" in problem
    assert [*lora_problems(tmp_path, FAMILY)] == [problem]


def test_plain_ones_and_what_diffusers_reads_are_taken(tmp_path):
    plain = _save(tmp_path / "plain.safetensors", "lora_down.weight", "lora_up.weight", "alpha")
    assert [*lora_problems(plain, FAMILY)] == []
    lokr = _save(tmp_path / "lokr.safetensors", "lokr_w1", "lokr_w2")
    assert [*lora_problems(lokr, "ZImagePipeline")] == []


def test_a_damaged_file_is_told(tmp_path):
    (tmp_path / "bad.safetensors").write_bytes(b"no tensors")
    (problem,) = lora_problems(tmp_path / "bad.safetensors", FAMILY)
    assert "not a readable safetensors file" in problem


def _save_as(path, *names, shape=(4, 4)):
    save_file({name: np.zeros(shape, np.float32) for name in names}, path)
    return path


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (("emb_params",), "no LoRA but a textual inversion (it has emb_params)"),
        (("clip_g", "clip_l"), "no LoRA but a textual inversion (it has clip_g)"),
        (("conv_in.weight", "mid_block.resnets.0.conv1.weight"), "no LoRA: none of its tensors"),
        ((), "has no tensors; copy it again"),
    ],
)
def test_a_file_without_the_names_of_a_lora_is_refused(tmp_path, names, told):
    (problem,) = lora_problems(_save_as(tmp_path / "style.safetensors", *names), FAMILY)
    assert told in problem


def test_a_folder_of_a_whole_model_is_no_lora(tmp_path):
    (problem,) = lora_problems(tmp_path, FAMILY)
    assert "is no LoRA: no .safetensors file lies in that folder itself" in problem
    (tmp_path / "model_index.json").write_text("{}")
    (problem,) = lora_problems(tmp_path, FAMILY)
    assert "is a whole model: no .safetensors file" in problem


def test_one_that_fits_no_layer_of_the_network_is_refused(tmp_path):
    layers = network_layers(WEIGHTS / "diffusion")
    layer = next(name for name in sorted(layers) if name.endswith("to_q"))
    for network, of_layer, fits in (
        ("unet", layer, True),
        ("unet", "x", False),
        ("transformer", layer, False),
    ):
        for halves in (("lora_A.weight", "lora_B.weight"), ("lora.down.weight", "lora.up.weight")):
            names = [f"{network}.{of_layer}.{half}" for half in halves]
            file = _save_as(tmp_path / "style.safetensors", *names)
            problems = [*lora_problems(file, FAMILY, layers)]
            assert len(problems) == (not fits)
            assert all("fits no layer of this StableDiffusionPipeline" in one for one in problems)
    # Layouts of other trainers are for diffusers to judge, and so is a model without known names.
    assert [*lora_problems(_save(file, "lora_down.weight"), FAMILY, layers)] == []
    assert [*lora_problems(_save_as(file, "unet.x.lora_A.weight"), FAMILY)] == []
