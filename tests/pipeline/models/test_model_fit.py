"""What a run could not load of a model or of what replaces its parts is told by plan."""

import hashlib
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import CLIPTextConfig

from muse.diffusion.backbones import load_backbone
from muse.emotions import MIKELS
from muse.guidance.fitted_tokens_file import FITTED_TOKENS
from pipeline.config import Config
from pipeline.errors import UserError
from pipeline.models.locate import check_models, locate
from pipeline.storage.files import sha256_file
from tests.support.embeddings import save_embedding
from tests.support.families import FAMILIES, small_tiny_vae, small_vae

WEIGHTS = "diffusion_pytorch_model.safetensors"


@pytest.fixture(scope="module")
def sd1(tokenizer, tmp_path_factory):
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("models") / "sd1"
    FAMILIES["sd1"](tokenizer).save_pretrained(folder)
    return folder


@pytest.fixture
def model(sd1, tmp_path):
    """The folder of a model that nothing lies beside."""
    return shutil.copytree(sd1, tmp_path / "sd1")


def _widen(file, name):
    """Double the first size of a tensor in a file."""
    tensors = load_file(file)
    tensors[name] = torch.cat([tensors[name]] * 2)
    save_file(tensors, file, {"format": "pt"})


def _lose(file, beginning):
    tensors = load_file(file)
    kept = {name: tensor for name, tensor in tensors.items() if not name.startswith(beginning)}
    assert len(kept) < len(tensors)
    save_file(kept, file, {"format": "pt"})


def test_shapes_of_a_model_and_of_a_vae_in_its_place(model, tmp_path):
    small_vae().save_pretrained(tmp_path / "vae")
    config = Config(model=str(model), vae=str(tmp_path / "vae"), tiny_vae="none")
    assert check_models(config) == []
    _widen(tmp_path / "vae" / WEIGHTS, "decoder.conv_in.bias")
    with pytest.raises(
        UserError, match=r"settings: vae .*: it has 1 of the .* is 32 instead of 16"
    ):
        check_models(config)
    single = config.replace(vae=str(tmp_path / "vae" / WEIGHTS))
    with pytest.raises(UserError, match=r"settings: vae .*cannot be opened as AutoencoderKL"):
        check_models(single)
    _lose(tmp_path / "vae" / WEIGHTS, "decoder.conv_in.bias")
    with pytest.raises(UserError, match=r"vae .*: it lacks 1 of the .*\(decoder.conv_in.bias\);"):
        check_models(config)
    with pytest.raises(UserError, match=r"vae .* \(it lacks some of the weights .*download the"):
        check_models(single)
    _widen(model / "unet" / WEIGHTS, "conv_in.bias")
    with pytest.raises(UserError, match=r"--model .*: unet/ has 1 .*conv_in.bias is 32 instead of"):
        check_models(config)


def test_a_tiny_decoder_that_was_found_and_does_not_serve_is_passed_over(model, tmp_path):
    place = tmp_path / "taesd"
    small_tiny_vae().save_pretrained(place)
    config = Config(model=str(model))
    assert check_models(config) == []
    _lose(place / WEIGHTS, "encoder.")
    assert check_models(config) == [], "no encoder is needed"
    for spoil, why in (
        (lambda: _lose(place / WEIGHTS, "decoder.layers.0.bias"), "it lacks 1 of the "),
        (lambda: _widen(place / WEIGHTS, "decoder.layers.0.weight"), "in other shapes (decoder"),
        (lambda: (place / WEIGHTS).rename(place / "taesd_decoder.safetensors"), "has no weights"),
    ):
        spoil()
        (warning,) = check_models(config)
        assert warning.startswith(f"the tiny decoder {place} was found, but cannot be used: ")
        assert why in warning
        assert "1.4 to 3.4 times the memory" in warning
        assert "tiny_vae" not in locate(config)
    with pytest.raises(UserError, match=r"settings: tiny_vae '.*/taesd': taesd/ has no weights"):
        check_models(config.replace(tiny_vae=str(place)))


def test_what_of_an_embedding_does_not_fit_is_told_by_plan(model, tmp_path):
    file = save_embedding(tmp_path / "cat.safetensors", {"<cat>": (2, 32)})
    toy = save_embedding(tmp_path / "toy.safetensors", {"emb_params": (1, 32)})
    config = Config(model=str(model), tiny_vae="none", embedding=(str(file), f"{toy}:<toy>"))
    assert check_models(config) == []
    models = locate(config)
    assert models["embedding 0"].sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
    for names, told in (
        ((str(file), f"{toy}:<cat>_1"), "it cannot have the token '<cat>_1': '<cat>_1' is one of"),
        ((f"{toy}:<|endoftext|>",), r"is in the model's tokenizer/ already; give another one"),
        ((str(toy),), "it does not name its token"),
        ((f"{toy}:",), "the token after the colon is ''; give one word"),
        ((f"{toy}:a cat",), "the token after the colon is 'a cat'; give one word"),
        ((str(tmp_path / "no.safetensors:<t>"),), r"there is no such file"),
        ((str(model),), "it is a whole model"),
        ((str(model / "unet" / WEIGHTS),), r"it is no textual inversion: it has \d+ tensors"),
    ):
        with pytest.raises(UserError, match=told) as caught:
            check_models(config.replace(embedding=names))
        assert str(caught.value).startswith(f"settings: embedding {names[-1]!r}: ")
    save_embedding(file, {"<cat>": (2, 48)})
    with pytest.raises(UserError, match=r"it has vectors of the width 48, but the text_encoder of"):
        check_models(config)
    save_file({"<cat>": torch.full((2, 32), float("nan"))}, file)
    with pytest.raises(UserError, match=r"embedding .*: the values of <cat> .* are not all finite"):
        check_models(config)
    file.write_bytes(b"no tensors")
    with pytest.raises(UserError, match=r"embedding .*: cat.safetensors is damaged"):
        check_models(config)


def test_a_family_without_embeddings_and_a_folder_with_several_are_told(model, tokenizer, tmp_path):
    save_embedding(tmp_path / "learned_embeds.safetensors", {"<cat>": (2, 32)})
    save_embedding(tmp_path / "older.safetensors", {"<cat>": (2, 32)})
    config = Config(model=str(model), tiny_vae="none", embedding=(str(tmp_path),))
    (warning,) = check_models(config)
    told = "learned_embeds.safetensors is read; not read beside it: older.safetensors"
    assert warning == f"the embedding {tmp_path}: {told}"
    FAMILIES["z_image"](tokenizer).save_pretrained(tmp_path / "z")
    with pytest.raises(
        UserError, match="a ZImagePipeline takes no textual inversions, in diffuser"
    ):
        check_models(config.replace(model=str(tmp_path / "z")))


def test_fitted_tokens_are_those_of_a_model_of_this_width(model, tmp_path):
    file = tmp_path / "tokens.safetensors"
    config = Config(model=str(model), tiny_vae="none", fitted_tokens=str(file))
    with pytest.raises(UserError, match=r"settings: fitted_tokens .*: there is no such file"):
        check_models(config)
    width = CLIPTextConfig.from_pretrained(model / "text_encoder").hidden_size
    save_file({"awe": torch.ones(2, width + 1)}, file)
    with pytest.raises(UserError, match=r"fitted_tokens .*read \d+: it was fitted to another"):
        check_models(config)
    save_file({"awe": torch.ones(2, width)}, file)
    (warning,) = check_models(config)
    assert "has no tokens for amusement, contentment, " in warning
    assert ", awe," not in warning
    located = locate(config)["fitted_tokens"]
    assert (located.path, located.sha256) == (str(file), sha256_file(file))


def test_fitted_tokens_in_a_models_folder_are_read_and_hashed_with_it(model):
    config = Config(model=str(model), tiny_vae="none")
    before = locate(config)["model"].sha256
    own, width = model / FITTED_TOKENS, 7
    save_file({"awe": torch.ones(2, width)}, own)
    with pytest.raises(UserError, match=r"fitted to another .*; or set fitted_tokens = \"none\""):
        check_models(config)
    assert check_models(config.replace(fitted_tokens="none")) == []
    width = CLIPTextConfig.from_pretrained(model / "text_encoder").hidden_size
    save_file({name: torch.ones(2, width) for name in MIKELS.labels}, own)
    assert check_models(config) == []
    found = locate(config)
    assert found["model"].sha256 != before
    assert "fitted_tokens" not in found
    assert load_backbone(model, tiny_vae="none").text.fitted.vectors.keys() == {*MIKELS.labels}
    assert load_backbone(model, tiny_vae="none", fitted_tokens="none").text.fitted is None
