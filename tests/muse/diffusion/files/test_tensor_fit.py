"""Tensors that a model lacks, or has in other shapes, are named; no weights are read."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from muse.diffusion.files.model_files import STEMS, ModelFolder
from muse.diffusion.files.tensor_fit import tensor_problems
from muse.mini import WEIGHTS
from tests.support.families import FAMILIES, small_tiny_vae

ALSO = {"sd1": {"unet": "mid_block", "vae": "quant_conv", "text_encoder": "final_layer_norm"}}
ALSO |= {"sd3": {"transformer": "norm_out"}, "z_image": {"transformer": "cap_pad_token"}}
ALSO |= {"flux": {"transformer": "proj_out", "text_encoder_2": "encoder.final_layer_norm"}}
"""By family and part: how the names of tensors begin that are lost besides the last of each."""


def _weights(model, part):
    folder = ModelFolder.read(model)
    return model / part / f"{STEMS[folder.parts[part][0]]}.safetensors"


@pytest.mark.parametrize("family", ["sd1", "sdxl", "sd3", "flux", "z_image"])
def test_lost_tensors_of_every_part_of_every_family_are_named(family, tokenizer, tmp_path):
    torch.manual_seed(0)
    FAMILIES[family](tokenizer).save_pretrained(tmp_path)
    assert [*tensor_problems(tmp_path)] == []
    parts = ModelFolder.read(tmp_path).opened_parts()
    for part in parts:
        file = _weights(tmp_path, part)
        tensors = load_file(file)
        begin = ALSO.get(family, {}).get(part)
        lost = {max(tensors)}
        if begin:
            lost |= {name for name in tensors if name.removeprefix("text_model.").startswith(begin)}
            assert len(lost) > 1 or max(tensors).startswith(begin)
        save_file({name: tensors[name] for name in {*tensors} - lost}, file, {"format": "pt"})
    problems = [*tensor_problems(tmp_path)]
    assert [problem.partition("/")[0] for problem in problems] == parts
    assert all("download it again" in problem for problem in problems)
    assert all(" lacks " in problem and " of its class " in problem for problem in problems)


@pytest.fixture
def sd1(tokenizer, tmp_path):
    torch.manual_seed(0)
    FAMILIES["sd1"](tokenizer).save_pretrained(tmp_path)
    return tmp_path


def _change(file, change):
    """Rewrite a file with the tensors that `change` makes of its own."""
    save_file(change(load_file(file)), file, {"format": "pt"})


def test_tensors_in_other_shapes_are_named_with_both(sd1):
    parts = ModelFolder.read(sd1).opened_parts()
    expected = []
    for part in parts:
        tensors = load_file(_weights(sd1, part))
        name = min(name for name, tensor in tensors.items() if tensor.ndim == 2)
        rows, columns = tensors[name].shape
        wider = {name: torch.zeros(2 * rows, columns)}
        _change(_weights(sd1, part), lambda tensors, wider=wider: tensors | wider)
        shapes = f"{2 * rows} x {columns} instead of {rows} x {columns}"
        expected.append((name.removeprefix("text_model."), shapes))
    problems = [*tensor_problems(sd1)]
    assert [problem.partition("/")[0] for problem in problems] == parts
    for problem, (name, shapes) in zip(problems, expected, strict=True):
        assert f"{name} is {shapes}" in problem
        assert " has 1 of the " in problem
        assert problem.endswith("copy both again from one model")


def test_the_first_three_of_many_shapes_are_named(sd1):
    settings = sd1 / "unet" / "config.json"
    config = json.loads(settings.read_text()) | {"use_linear_projection": True}
    settings.write_text(json.dumps(config))
    (problem,) = tensor_problems(sd1)
    assert "32 x 32 x 1 x 1 instead of 32 x 32, " in problem
    assert problem.count(" instead of ") == 3
    assert ", ...): its weights and its config.json are of different models" in problem


def test_tensors_that_are_not_read_are_warned_of(sd1):
    warnings = []
    buffers = {"embeddings.position_ids": torch.arange(4), "logit_scale": torch.zeros(())}
    _change(_weights(sd1, "text_encoder"), lambda tensors: tensors | buffers)
    assert [*tensor_problems(sd1, warnings.append)] == warnings == []
    settings = sd1 / "text_encoder" / "config.json"
    config = json.loads(settings.read_text()) | {"num_hidden_layers": 1}
    settings.write_text(json.dumps(config))
    more = {"conv_in.more": torch.zeros(2)}
    _change(_weights(sd1, "unet"), lambda tensors: tensors | more)
    assert [*tensor_problems(sd1, warnings.append)] == []
    of_text, of_unet = sorted(warnings)
    assert of_text.startswith("text_encoder/ has 16 tensors that are not read (encoder.layers.1.")
    assert of_unet.startswith("unet/ has 1 tensors that are not read (conv_in.more): by its config")


def test_a_tiny_decoder_needs_its_decoder_alone(sd1):
    small_tiny_vae().save_pretrained(sd1 / "tiny_vae")
    file = sd1 / "tiny_vae" / "diffusion_pytorch_model.safetensors"
    for half, lacking in (("encoder.", 0), ("decoder.layers.0.", 1)):
        _change(
            file,
            lambda tensors, half=half: {
                name: tensor for name, tensor in tensors.items() if not name.startswith(half)
            },
        )
        assert len([*tensor_problems(sd1)]) == lacking


def test_a_tensor_that_an_index_leaves_out_is_named(tokenizer, tmp_path):
    torch.manual_seed(0)
    FAMILIES["sd1"](tokenizer).save_pretrained(tmp_path)
    file = _weights(tmp_path, "unet")
    shard = file.rename(file.with_name(f"{file.stem}-00001-of-00001.safetensors"))
    names = dict.fromkeys(load_file(shard), shard.name)
    names.pop("conv_in.bias")
    index = file.with_name(f"{file.name}.index.json")
    index.write_text(json.dumps({"metadata": {"total_size": 1}, "weight_map": names}))
    (problem,) = tensor_problems(tmp_path)
    assert problem.startswith("unet/ lacks 1 of the ")
    assert "tensors of its class UNet2DConditionModel (conv_in.bias); " in problem


def test_tied_tensors_and_older_names_are_not_missing(tokenizer, tmp_path):
    torch.manual_seed(0)
    FAMILIES["z_image"](tokenizer).save_pretrained(tmp_path)
    index = json.loads((tmp_path / "model_index.json").read_text())
    index["text_encoder"] = ["transformers", "Qwen3ForCausalLM"]
    (tmp_path / "model_index.json").write_text(json.dumps(index))
    settings = tmp_path / "text_encoder" / "config.json"
    config = json.loads(settings.read_text())
    settings.write_text(json.dumps(config | {"tie_word_embeddings": True}))
    # Old files have other names for the attention of a VAE.
    file = _weights(tmp_path, "vae")
    renamed = {".to_q.": ".query.", ".to_k.": ".key.", ".to_v.": ".value."}
    renamed |= {".to_out.0.": ".proj_attn."}
    tensors = load_file(file)
    for new, old in renamed.items():
        tensors = {name.replace(new, old): tensor for name, tensor in tensors.items()}
    save_file(tensors, file, {"format": "pt"})
    assert [*tensor_problems(tmp_path)] == []


def test_settings_that_no_part_can_be_made_of_are_a_problem(tokenizer, tmp_path):
    torch.manual_seed(0)
    FAMILIES["sd1"](tokenizer).save_pretrained(tmp_path)
    file = tmp_path / "unet" / "config.json"
    config = json.loads(file.read_text()) | {"down_block_types": ["NoBlock"]}
    file.write_text(json.dumps(config))
    (problem,) = tensor_problems(tmp_path)
    assert problem.startswith("no UNet2DConditionModel can be made of unet/config.json (")


def test_the_embedded_model_lacks_nothing():
    assert [*tensor_problems(WEIGHTS / "diffusion")] == []
