"""What a single file holds is known by the names and shapes of its tensors."""

import pytest
import torch
from safetensors.torch import save_file

from muse.diffusion.files.model_problems import model_problems
from muse.diffusion.files.single_files import family_of_file, latent_channels_of


def test_a_single_file_is_known_by_its_tensors(tmp_path):
    file = tmp_path / "model.safetensors"
    first = "model.diffusion_model.input_blocks.0.0.weight"
    save_file({first: torch.zeros(2, 4, 3, 3)}, file)
    assert family_of_file(file) == "StableDiffusionPipeline"
    save_file({first: torch.zeros(2, 9, 3, 3)}, file)
    (problem,) = model_problems(file)
    assert "takes 9 channels" in problem


def test_the_latents_of_a_single_file_vae_are_those_that_its_decoder_takes(tmp_path):
    file = tmp_path / "vae.safetensors"
    save_file({"first_stage_model.decoder.conv_in.weight": torch.zeros(8, 16, 3, 3)}, file)
    assert latent_channels_of(file) == 16
    save_file({"encoder.conv_in.weight": torch.zeros(8, 3, 3, 3)}, file)
    assert latent_channels_of(file) is None
    file.write_bytes(b"no tensors")
    with pytest.raises(ValueError, match="is not a readable safetensors file"):
        latent_channels_of(file)


@pytest.mark.parametrize(
    ("tensor", "kind"),
    [
        ("double_blocks.0.img_attn.qkv.weight", "FLUX"),
        ("model.diffusion_model.double_blocks.0.img_attn.qkv.weight", "FLUX"),
        ("noise_refiner.0.attention.to_q.weight", "Z-Image"),
        ("transformer_blocks.0.attn.to_q.weight", "a diffusion transformer"),
    ],
)
def test_single_files_of_other_families_are_named_with_the_remedy(tmp_path, tensor, kind):
    save_file({tensor: torch.zeros(2, 2)}, tmp_path / "model.safetensors")
    with pytest.raises(ValueError, match=f"network of {kind}.*give the model's folder"):
        family_of_file(tmp_path / "model.safetensors")
