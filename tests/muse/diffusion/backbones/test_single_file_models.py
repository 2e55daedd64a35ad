"""A single file that does not fit the folder of settings beside it is told before a run."""

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from muse.diffusion.backbones import load_backbone
from muse.diffusion.backbones.single_file_models import file_problems, file_vae_problems
from tests.support import originals
from tests.support.families import FAMILIES, small_vae

OUT = "model.diffusion_model.out.2.bias"


@pytest.fixture(scope="module")
def original(tokenizer, tmp_path_factory):
    """A single file, with the settings of its model beside it."""
    torch.manual_seed(0)
    pipe = FAMILIES["sd1"](tokenizer)
    root = tmp_path_factory.mktemp("single")
    pipe.save_pretrained(root / "model")
    for weights in (root / "model").rglob("*.safetensors"):
        weights.unlink()
    save_file(originals.sd1(pipe), root / "model.safetensors")
    return root


@pytest.fixture
def file(original, tmp_path):
    return shutil.copytree(original, tmp_path / "single") / "model.safetensors"


def _set(file, part, **settings):
    place = file.with_suffix("") / part / "config.json"
    place.write_text(json.dumps(json.loads(place.read_text()) | settings))


def test_a_file_that_fits_its_settings_has_no_problem(file):
    assert [*file_problems(file)] == []
    shutil.rmtree(file.with_suffix(""))
    assert [*file_problems(file)] == [], "diffusers would ask the hub"


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        (
            lambda tensors: {OUT: torch.zeros(8)},
            "conv_out.bias expected shape torch.Size([4])",
        ),
        (lambda tensors: {OUT: None}, "(it lacks some of the weights that its settings ask for);"),
        (
            lambda tensors: {name: None for name in tensors if name.startswith("first_stage")},
            "(Failed to load AutoencoderKL. Weights for this component appear to be missing",
        ),
    ],
)
def test_weights_that_do_not_fit_are_told_in_the_words_of_loading(file, change, cause):
    tensors = load_file(file)
    changed = tensors | change(tensors)
    save_file({name: tensor for name, tensor in changed.items() if tensor is not None}, file)
    (problem,) = file_problems(file)
    assert problem.startswith(f"{file} cannot be opened as StableDiffusionPipeline (")
    assert cause in problem
    assert "; download the file again, or put the settings of the model that it is of" in problem
    assert "low_cpu_mem_usage" not in problem
    with pytest.raises(ValueError, match="cannot be opened") as caught:
        load_backbone(file)
    assert str(caught.value) == problem


def test_weights_that_are_missing_by_the_settings_of_a_text_encoder_are_named(file):
    _set(file, "text_encoder", num_hidden_layers=3)
    (problem,) = file_problems(file)
    assert "(it lacks weights of its part text_encoder: encoder.layers.2." in problem


def test_settings_that_do_not_serve_are_refused_before_anything_is_opened(file):
    _set(file, "vae", scaling_factor=0)
    shutil.rmtree(file.with_suffix("") / "tokenizer")
    with pytest.raises(ValueError, match=r"the folder model/ beside the file: .* tokenizer") as why:
        load_backbone(file)
    assert "the scaling_factor in its config.json is 0" in str(why.value)


def test_a_vae_is_compared_with_its_own_settings_or_those_that_it_is_given(tmp_path):
    vae = small_vae()
    file = tmp_path / "vae.safetensors"
    save_file(originals.vae(vae), file)
    own = json.loads(vae.to_json_string())
    assert [*file_vae_problems(file, own)] == []
    assert [*file_vae_problems(file, {})] == [], "how the VAE is built is not known"
    wide = own | {"block_out_channels": [8, 32]}
    (problem,) = file_vae_problems(file, wide)
    assert problem.startswith(f"{file} cannot be opened as AutoencoderKL (Cannot load")
    vae.save_config(tmp_path / "vae")
    assert [*file_vae_problems(file, wide)] == []
