"""Adapters that are no LoRA are told before anything is loaded."""

import numpy as np
import pytest
from safetensors.numpy import save_file

from muse.diffusion.files.lora_files import lora_problems

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
