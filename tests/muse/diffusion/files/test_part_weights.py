"""The tensors of a part are known from the headers of its files, whatever they are called."""

import json

import numpy as np
import pytest
from safetensors.numpy import save_file

from muse.diffusion.files.model_files import ModelFolder
from muse.diffusion.files.part_weights import part_shapes

PARTS = {
    "unet": ("diffusers", "UNet2DConditionModel", "diffusion_pytorch_model"),
    "text_encoder": ("transformers", "CLIPTextModel", "model"),
}


@pytest.fixture(params=PARTS)
def part(request, tmp_path):
    index = {name: [library, kind] for name, (library, kind, _) in PARTS.items()}
    index["_class_name"] = "StableDiffusionPipeline"
    (tmp_path / "model_index.json").write_text(json.dumps(index))
    (tmp_path / request.param).mkdir()
    return tmp_path / request.param


def _shapes(part):
    return part_shapes(ModelFolder.read(part.parent), part.name)


def _write(file, name):
    save_file({name: np.zeros((2, 3), dtype=np.float16)}, file)


@pytest.mark.parametrize("mark", ["", ".fp16"])
def test_whole_and_sharded_files_are_read_with_their_variant(part, mark):
    stem = PARTS[part.name][2]
    _write(part / f"{stem}{mark}.safetensors", "a.weight")
    assert _shapes(part) == {"a.weight": [2, 3]}
    (part / f"{stem}{mark}.safetensors").rename(part / "first.safetensors")
    _write(part / "second.safetensors", "b.weight")
    names = {"a.weight": "first.safetensors", "b.weight": "second.safetensors"}
    index = part / f"{stem}.safetensors.index{mark}.json"
    index.write_text(json.dumps({"weight_map": names}))
    assert _shapes(part) == {"a.weight": [2, 3], "b.weight": [2, 3]}


def test_of_what_cannot_be_read_nothing_is_known(part):
    assert _shapes(part) == {}
    (part / f"{PARTS[part.name][2]}.safetensors").write_bytes(b"no tensors")
    assert _shapes(part) == {}
