"""A text encoder that is not its family's is told from its class, settings and tensors' names."""

import json
import shutil

import pytest

from muse.diffusion.files.model_files import ModelFolder
from muse.diffusion.files.text_encoder_files import (
    FAMILY_CLASSES,
    missing_weights,
    text_problems,
)
from tests.support.text_files import write_encoder, write_tokenizer

CLIP = {"model_type": "clip_text_model", "hidden_size": 2, "vocab_size": 4}
CLIP |= {"max_position_embeddings": 8}
CLIP_TENSORS = {"embeddings.token_embedding.weight": (4, 2)}
FILES = {
    "CLIPTextModel": (CLIP, CLIP_TENSORS),
    "CLIPTextModelWithProjection": (
        CLIP,
        {"text_model.embeddings.token_embedding.weight": (4, 2), "text_projection.weight": (2, 2)},
    ),
    "T5EncoderModel": ({"model_type": "t5", "d_model": 3}, {"shared.weight": (4, 3)}),
    "Qwen3Model": ({"model_type": "qwen3"}, {"model.embed_tokens.weight": (4, 2)}),
}
"""Settings and tensors of the text encoders of a class."""


def _write_model(path, family):
    """The text encoders and tokenizers of a model of a family, and the index that names them."""
    index = {"_class_name": family}
    for part, classes in FAMILY_CLASSES[family].items():
        config, tensors = FILES[classes[0]]
        write_encoder(path / part, tensors, **config)
        index[part] = ["transformers", classes[0]]
        name = part.replace("text_encoder", "tokenizer")
        write_tokenizer(path / name)
        index[name] = ["transformers", "CLIPTokenizer"]
    (path / "model_index.json").write_text(json.dumps(index))
    return path


def _change_index(model, **parts):
    index = json.loads((model / "model_index.json").read_text())
    (model / "model_index.json").write_text(json.dumps(index | parts))


def _problems(model):
    folder = ModelFolder.read(model)
    return [*text_problems(folder), *missing_weights(folder)]


@pytest.fixture(params=FAMILY_CLASSES)
def model(request, tmp_path):
    return _write_model(tmp_path, request.param)


@pytest.fixture
def sdxl(tmp_path):
    return _write_model(tmp_path, "StableDiffusionXLPipeline")


def test_the_text_encoders_of_a_family_have_no_problem(model):
    assert _problems(model) == []


def test_an_encoder_of_a_class_that_its_family_has_not_is_a_problem(model):
    _change_index(model, text_encoder=["transformers", "BertModel"])
    (problem,) = _problems(model)
    assert problem.startswith("model_index.json gives text_encoder the class BertModel, but a ")
    assert "copy model_index.json again" in problem


def test_two_clips_pad_prompts_to_one_length(model):
    write_tokenizer(model / "tokenizer", model_max_length=6)
    folder = ModelFolder.read(model)
    pairs = ("StableDiffusionXLPipeline", "StableDiffusion3Pipeline")
    problems = [problem for problem in _problems(model) if "tokenizer_2/ do not fit" in problem]
    assert len(problems) == (folder.family in pairs)
    assert all("is 6 and 8; copy both again" in problem for problem in problems)


@pytest.mark.parametrize("config", ["{}", '{"_class_name": "AutoencoderKL"}', "[]", '{"a'])
def test_settings_of_another_part_are_a_problem(model, config):
    (model / "text_encoder" / "config.json").write_text(config)
    problem = _problems(model)[0]
    assert "text_encoder/config.json" in problem
    assert "copy it again" in problem or "cannot be read" in problem


def test_weights_of_another_part_are_a_problem(model):
    config = json.loads((model / "text_encoder" / "config.json").read_text())
    write_encoder(model / "text_encoder", {"decoder.conv_in.weight": (1,)}, **config)
    (problem,) = _problems(model)
    assert problem.startswith("text_encoder/ has the weights of another model: there is no ")
    # Their names are not those of the class where they are quantised.
    config["quantization_config"] = {}
    (model / "text_encoder" / "config.json").write_text(json.dumps(config))
    assert _problems(model) == []


def test_two_encoders_in_each_others_place_are_a_problem(sdxl):
    (sdxl / "text_encoder").rename(sdxl / "first")
    (sdxl / "text_encoder_2").rename(sdxl / "text_encoder")
    (sdxl / "first").rename(sdxl / "text_encoder_2")
    (problem,) = _problems(sdxl)
    assert problem.startswith("text_encoder_2/ has the weights of another model: there is no text_")


def test_two_encoders_with_the_same_tensors_are_told_by_what_they_compute(tmp_path):
    model = _write_model(tmp_path, "StableDiffusion3Pipeline")
    for part, width, act in (("text_encoder", 3, "gelu"), ("text_encoder_2", 2, "quick_gelu")):
        tensors = {"token_embedding.weight": (4, width), "text_projection.weight": (2, 2)}
        config = CLIP | {"hidden_size": width, "hidden_act": act}
        write_encoder(model / part, tensors, **config)
    (problem,) = _problems(model)
    assert problem.startswith("text_encoder/ and text_encoder_2/ are in each other's place")
    (model / "text_encoder").rename(model / "first")
    (model / "text_encoder_2").rename(model / "text_encoder")
    (model / "first").rename(model / "text_encoder_2")
    assert _problems(model) == []


@pytest.mark.parametrize("kind", ["BertTokenizer", "CLIPTokenizerOfTomorrow"])
def test_a_clip_needs_its_own_class_of_tokenizers(sdxl, kind):
    _change_index(sdxl, tokenizer_2=["transformers", kind])
    (problem,) = _problems(sdxl)
    assert problem.startswith(f"model_index.json gives tokenizer_2 the class {kind}, but a CLIP's")


def test_settings_of_a_larger_encoder_of_the_same_kind_are_a_problem(sdxl):
    config = CLIP | {"hidden_size": 3, "vocab_size": 5}
    (sdxl / "text_encoder" / "config.json").write_text(json.dumps(config))
    words, width = _problems(sdxl)
    assert "vocab_size is 5, but embeddings.token_embedding.weight has 4" in words
    assert "hidden_size is 3, but embeddings.token_embedding.weight has 2" in width


def test_sharded_weights_are_read_all_the_same(sdxl):
    part = sdxl / "text_encoder"
    (part / "model.safetensors").rename(part / "model-00001-of-00001.safetensors")
    names = {"embeddings.token_embedding.weight": "model-00001-of-00001.safetensors"}
    index = part / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": names}))
    assert _problems(sdxl) == []
    write_encoder(part, {"conv.weight": (1,)}, **CLIP)
    (part / "model.safetensors").rename(part / "model-00001-of-00001.safetensors")
    assert "has the weights of another model" in _problems(sdxl)[0]


def test_the_tokenizer_of_each_encoder_is_looked_at(model):
    last = [*FAMILY_CLASSES[ModelFolder.read(model).family]][-1]
    part = last.replace("text_encoder", "tokenizer")
    (model / part / "tokenizer.json").unlink()
    (problem,) = _problems(model)
    assert problem.startswith(f"{part}/ has no vocabulary")


def test_a_clip_reads_prompts_of_a_length_that_its_tokenizer_says(sdxl):
    (sdxl / "tokenizer_2" / "tokenizer_config.json").unlink()
    (problem,) = _problems(sdxl)
    assert problem.startswith("tokenizer_2/: the model_max_length in tokenizer_config.json is mis")


def test_a_third_encoder_without_its_tokenizer_is_a_problem(tmp_path):
    model = _write_model(tmp_path, "StableDiffusion3Pipeline")
    _change_index(model, tokenizer_3=[None, None])
    (problem,) = _problems(model)
    assert problem.startswith("model_index.json names text_encoder_3, but no tokenizer_3")
    assert "[null, null]" in problem
    _change_index(model, text_encoder_3=[None, None])
    shutil.rmtree(model / "text_encoder_3")
    assert _problems(model) == []
