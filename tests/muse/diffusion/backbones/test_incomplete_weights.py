"""A part of a model that lacks tensors is refused by name, and never filled with random numbers."""

import json
import shutil
import warnings

import pytest
import torch
from safetensors.torch import load_file, save_file

from muse.diffusion.backbones import load_backbone
from muse.diffusion.backbones.checkpoints import open_pipeline, open_tiny_vae, open_vae
from muse.diffusion.files.tensor_fit import tensor_problems
from tests.support.families import FAMILIES, small_tiny_vae, small_vae

OLD_ATTENTION = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}


@pytest.fixture(scope="module")
def folders(tokenizer, tmp_path_factory):
    root = tmp_path_factory.mktemp("models")
    for name in ("sd1", "sdxl", "flux", "z_image"):
        torch.manual_seed(0)
        FAMILIES[name](tokenizer).save_pretrained(root / name)
    return root


def _rewrite(part, change):
    """Give each tensor in the folder `part` the name that `change` returns; None removes it."""
    (file,) = part.glob("*.safetensors")
    renamed = {change(name): tensor for name, tensor in load_file(file).items()}
    kept = {name: tensor for name, tensor in renamed.items() if name is not None}
    assert kept.keys() != load_file(file).keys()
    save_file(kept, file, metadata={"format": "pt"})


def _without(text):
    return lambda name: None if text in name else name


@pytest.mark.parametrize(
    ("family", "part", "change", "first"),
    [
        ("sd1", "text_encoder", _without("encoder.layers.1."), "encoder.layers.1.layer_norm1.bias"),
        ("sd1", "text_encoder", "other.{}".format, "embeddings.position_embedding.weight"),
        ("sdxl", "text_encoder_2", _without("text_projection"), "text_projection.weight"),
        ("flux", "text_encoder_2", _without("block.0."), "encoder.block.0.layer.0"),
        ("flux", "text_encoder_2", _without("shared."), "shared.weight"),
        ("flux", "transformer", _without("proj_out.weight"), "proj_out.weight"),
        ("z_image", "text_encoder", _without("layers.1."), "layers.1.input_layernorm.weight"),
        ("sd1", "unet", _without("conv_out.weight"), "conv_out.weight"),
        ("sd1", "vae", _without("decoder.conv_out.weight"), "decoder.conv_out.weight"),
    ],
)
def test_a_part_that_lacks_tensors_is_refused(folders, tmp_path, family, part, change, first):
    model = tmp_path / "model"
    shutil.copytree(folders / family, model)
    _rewrite(model / part, change)
    with pytest.raises(ValueError, match=r"lacks \d+ of the \d+ tensors") as caught:
        load_backbone(model)
    message = str(caught.value)
    assert message.startswith(f"{model}: the part {part}/ lacks ")
    assert first in message
    assert "download it again" in message


@pytest.mark.parametrize("part", ["unet", "text_encoder"])
def test_tensors_in_other_shapes_are_refused_in_the_words_of_plan(folders, tmp_path, part):
    model = tmp_path / "model"
    shutil.copytree(folders / "sd1", model)
    (file,) = (model / part).glob("*.safetensors")
    tensors = load_file(file)
    name = max(tensors)
    save_file(tensors | {name: torch.zeros(3, 2)}, file, metadata={"format": "pt"})
    with pytest.raises(ValueError, match=r" in other shapes \(") as caught:
        load_backbone(model)
    (problem,) = tensor_problems(model)
    assert str(caught.value) == f"{model}: the part {problem}"
    assert " is 3 x 2 instead of " in problem


def test_a_tiny_decoder_without_its_encoder_is_opened(tmp_path):
    torch.manual_seed(0)
    tiny = small_tiny_vae().eval()
    tiny.save_pretrained(tmp_path / "taesd")
    _rewrite(tmp_path / "taesd", _without("encoder."))
    opened = open_tiny_vae(str(tmp_path / "taesd"), "", small_vae()).to("cpu")
    latents = torch.randn(1, 4, 4, 4)
    assert torch.equal(opened.decode(latents).sample, tiny.decode(latents).sample)


def test_the_first_three_of_the_missing_tensors_are_named(folders, tmp_path):
    model = tmp_path / "model"
    shutil.copytree(folders / "sd1", model)
    _rewrite(model / "unet", _without("conv_out"))
    with pytest.raises(ValueError, match=r"lacks 2 of .* \(conv_out\.bias, conv_out\.weight\);"):
        open_pipeline(str(model))
    _rewrite(model / "unet", _without("conv_in"))
    with pytest.raises(
        ValueError, match=r"lacks 4 .*\(conv_in.bias, conv_in.weight, [^,]*, \.\.\."
    ):
        open_pipeline(str(model))


def test_a_tiny_decoder_of_another_class_is_refused(tmp_path):
    """By its configuration, or if that does not say, by its weights."""
    vae = small_vae()
    vae.save_pretrained(tmp_path / "vae")
    with pytest.raises(
        ValueError, match=r"/vae: its class is AutoencoderKL, which is no tiny decoder"
    ):
        open_tiny_vae(str(tmp_path / "vae"), "", vae)
    config = {"decoder_block_out_channels": [8, 16], "num_decoder_blocks": [1, 1]}
    config |= {"encoder_block_out_channels": [8, 16], "num_encoder_blocks": [1, 1]}
    (tmp_path / "vae" / "config.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match=r"/vae lacks .* tensors of its class AutoencoderTiny"):
        open_tiny_vae(str(tmp_path / "vae"), "", vae)
    shutil.copytree(tmp_path / "vae", tmp_path / "model" / "tiny_vae")
    with pytest.raises(ValueError, match=r"/model/tiny_vae lacks"):
        open_tiny_vae("", str(tmp_path / "model"), vae)


def test_another_vae_that_lacks_tensors_is_refused(tmp_path):
    small_vae().save_pretrained(tmp_path / "vae")
    _rewrite(tmp_path / "vae", _without("post_quant_conv"))
    with pytest.raises(ValueError, match=r"/vae lacks 2 of .* tensors of its class AutoencoderKL"):
        open_vae(str(tmp_path / "vae"), small_vae())


def _published(name):
    """A tensor of CLIP as the first releases named it."""
    return name if name.startswith("text_") else f"text_model.{name}"


def _old_attention(name):
    for new, old in OLD_ATTENTION.items():
        name = name.replace(f".{new}.", f".{old}.")
    return name


@pytest.mark.parametrize(
    ("family", "part", "change"),
    [
        ("sd1", "text_encoder", _published),
        ("sd1", "vae", _old_attention),
        ("flux", "text_encoder_2", lambda name: name.replace("shared", "encoder.embed_tokens")),
        ("z_image", "text_encoder", "model.{}".format),
    ],
)
def test_tensors_under_the_names_of_published_models_are_not_missing(
    folders, tmp_path, family, part, change
):
    model = tmp_path / "model"
    shutil.copytree(folders / family, model)
    _rewrite(model / part, change)
    ours = getattr(open_pipeline(str(model)), part).state_dict()
    theirs = getattr(open_pipeline(str(folders / family)), part).state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


@pytest.mark.parametrize(
    ("part", "tensor"), [("text_encoder", "final_layer_norm.weight"), ("unet", "conv_out.bias")]
)
def test_a_tensor_of_another_shape_is_told_with_its_part_and_folder(
    folders, tmp_path, part, tensor
):
    model = tmp_path / "model"
    shutil.copytree(folders / "sd1", model)
    (file,) = (model / part).glob("*.safetensors")
    tensors = load_file(file)
    name = next(name for name in tensors if name.endswith(tensor))
    tensors[name] = torch.zeros(3)
    save_file(tensors, file, metadata={"format": "pt"})
    with pytest.raises(ValueError, match=f"{model}: the part {part}/ ") as caught:
        load_backbone(model)
    assert f"{tensor} is 3 instead of" in str(caught.value)


def test_tensors_that_are_not_read_are_told(folders, tmp_path):
    model = tmp_path / "model"
    shutil.copytree(folders / "sd1", model)
    (file,) = (model / "text_encoder").glob("*.safetensors")
    tensors = load_file(file)
    name = next(name for name in tensors if name.endswith("layers.0.mlp.fc1.bias"))
    other = name.replace("layers.0", "layers.7")
    save_file({**tensors, other: tensors[name].clone()}, file, metadata={"format": "pt"})
    with pytest.warns(UserWarning, match="text_encoder/ has 1 tensors that are not read"):
        load_backbone(model)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load_backbone(folders / "sd1")
