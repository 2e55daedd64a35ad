"""How trained models are saved."""

import torch
from safetensors.torch import load_file, save_file

from jobs.world.export import name_as_published
from muse.mini import WEIGHTS


def test_text_encoders_have_the_names_that_every_release_of_transformers_reads(tmp_path):
    names = load_file(WEIGHTS / "diffusion" / "text_encoder" / "model.safetensors").keys()
    assert all(name.startswith("text_model.") for name in names)
    file = tmp_path / "model.safetensors"
    save_file({"embeddings.weight": torch.ones(2), "text_model.bias": torch.zeros(2)}, file)
    for _ in range(2):
        name_as_published(file)
        assert load_file(file).keys() == {"text_model.embeddings.weight", "text_model.bias"}
