"""What is wrong with a model is told from its names and settings; nothing is loaded."""

import json
import os
import shutil

import numpy as np
import pytest
from safetensors.numpy import save_file

from muse.diffusion.files.model_files import ModelFolder, read_json
from muse.diffusion.files.model_problems import folder_problems, model_problems
from muse.diffusion.files.part_classes import NETWORKS
from muse.mini import WEIGHTS
from tests.support.text_files import write_tokenizer

INDEX = {
    "_class_name": "StableDiffusionPipeline",
    "unet": ["diffusers", "UNet2DConditionModel"],
    "vae": ["diffusers", "AutoencoderKL"],
    "text_encoder": ["transformers", "CLIPTextModel"],
    "tokenizer": ["transformers", "CLIPTokenizer"],
    "scheduler": ["diffusers", "DDIMScheduler"],
    "safety_checker": ["stable_diffusion", "StableDiffusionSafetyChecker"],
    "feature_extractor": ["transformers", "CLIPImageProcessor"],
}
CLASSES_OF_TEXT = {
    "StableDiffusionXLPipeline": ("CLIPTextModel", "CLIPTextModelWithProjection"),
    "StableDiffusion3Pipeline": ("CLIPTextModelWithProjection", "CLIPTextModelWithProjection"),
    "FluxPipeline": ("CLIPTextModel", "T5EncoderModel"),
}
WEIGHTS_OF = {"unet": "diffusion_pytorch_model", "vae": "diffusion_pytorch_model"}
WEIGHTS_OF |= {"text_encoder": "model"}


@pytest.fixture
def model(tmp_path):
    """The files of a model by their names: weights are empty, settings have what is looked at."""
    for part in ("unet", "vae", "text_encoder", "tokenizer", "scheduler"):
        (tmp_path / part).mkdir()
        if part in WEIGHTS_OF:
            (tmp_path / part / f"{WEIGHTS_OF[part]}.safetensors").touch()
            (tmp_path / part / "config.json").write_text("{}")
    (tmp_path / "unet" / "config.json").write_text('{"in_channels": 4, "sample_size": 64}')
    (tmp_path / "vae" / "config.json").write_text('{"latent_channels": 4}')
    scheduler = tmp_path / "scheduler" / "scheduler_config.json"
    scheduler.write_text('{"_class_name": "DDIMScheduler"}')
    (tmp_path / "text_encoder" / "config.json").write_text('{"model_type": "clip_text_model"}')
    write_tokenizer(tmp_path / "tokenizer")
    (tmp_path / "model_index.json").write_text(json.dumps(INDEX))
    return tmp_path


def _problems(model):
    return list(folder_problems(ModelFolder.read(model)))


def _with_second_encoder(model, family, network):
    """The index of a family with two text encoders; its folders are made of those of `model`."""
    for part in ("text_encoder", "tokenizer"):
        shutil.copytree(model / part, model / f"{part}_2")
    (model / "unet").rename(model / network)
    first, second = CLASSES_OF_TEXT[family]
    if second == "T5EncoderModel":
        (model / "text_encoder_2" / "config.json").write_text('{"model_type": "t5"}')
    index = INDEX | {"tokenizer_2": INDEX["tokenizer"], "_class_name": family}
    index |= {"text_encoder": ["transformers", first], "text_encoder_2": ["transformers", second]}
    index.pop("unet")
    index[network] = ["diffusers", NETWORKS[family]]
    if network == "transformer":
        flow = "FlowMatchEulerDiscreteScheduler"
        index["scheduler"] = ["diffusers", flow]
        scheduler = model / "scheduler" / "scheduler_config.json"
        scheduler.write_text(json.dumps({"_class_name": flow}))
    if family == "StableDiffusionXLPipeline":
        config = {"in_channels": 4, "sample_size": 64, "addition_embed_type": "text_time"}
        (model / "unet" / "config.json").write_text(json.dumps(config))
    return index


def test_what_no_image_depends_on_may_be_absent_pickled_or_beside(model):
    assert _problems(model) == []
    for part in ("safety_checker", "vae_decoder"):
        (model / part).mkdir()
        (model / part / "config.json").write_text("{}")
        (model / part / "pytorch_model.bin").write_bytes(b"\x80\x04.")
    assert _problems(model) == []


@pytest.mark.parametrize("channels", [8, 9])
def test_a_network_with_more_channels_than_latents_is_reported(model, channels):
    config = {"in_channels": channels, "sample_size": 64}
    (model / "unet" / "config.json").write_text(json.dumps(config))
    (problem,) = _problems(model)
    assert f"takes {channels} channels, but the latents have 4" in problem
    assert "text-to-image model" in problem


def test_every_problem_of_a_folder_is_reported(model):
    config = {"in_channels": 4, "sample_size": [16, 24, 32]}
    (model / "unet" / "config.json").write_text(json.dumps(config))
    (model / "text_encoder" / "model.safetensors").rename(model / "text_encoder" / "model.ckpt")
    shutil.rmtree(model / "tokenizer")
    absent, pickled, size = _problems(model)
    assert absent.startswith("model_index.json names tokenizer")
    assert pickled.startswith("text_encoder/model.ckpt is pickled")
    assert "[16, 24, 32]; set it to the side" in size


@pytest.mark.parametrize("part", WEIGHTS_OF)
def test_a_part_without_its_settings_is_reported(model, part):
    (model / part / "config.json").unlink()
    (problem,) = _problems(model)
    assert problem.startswith(f"{part}/config.json is missing; copy the model again")


@pytest.mark.parametrize("part", ["text_encoder_2", "tokenizer_2"])
@pytest.mark.parametrize("is_named", [True, False])
def test_a_text_part_that_its_family_needs_cannot_be_left_out(model, part, is_named):
    index = _with_second_encoder(model, "StableDiffusionXLPipeline", "unet")
    (model / "model_index.json").write_text(json.dumps(index))
    assert _problems(model) == []
    index.pop(part)
    index |= {part: [None, None]} if is_named else {}
    (model / "model_index.json").write_text(json.dumps(index))
    assert _problems(model) == [f"model_index.json names no {part}; copy the model again"]


@pytest.mark.parametrize("size", [64, [16, 24], None])
def test_the_size_may_be_one_side_or_two_and_some_families_have_none(model, size):
    config = {"in_channels": 4, "sample_size": size}
    if size is None:
        config = {"in_channels": 4, "all_patch_size": [2]}
    (model / "unet" / "config.json").write_text(json.dumps(config))
    assert _problems(model) == []


@pytest.mark.parametrize("size", [0, -16, True, "16"])
def test_a_size_that_is_no_side_is_reported(model, size):
    config = {"in_channels": 4, "sample_size": size}
    (model / "unet" / "config.json").write_text(json.dumps(config))
    (problem,) = _problems(model)
    assert f"the sample_size in unet/config.json is {json.dumps(size)}; set it to" in problem


def test_a_size_for_which_the_network_has_no_positions_is_reported(model):
    index = _with_second_encoder(model, "StableDiffusion3Pipeline", "transformer")
    (model / "model_index.json").write_text(json.dumps(index))
    vae = {"latent_channels": 4, "block_out_channels": [8, 8, 8, 8]}
    (model / "vae" / "config.json").write_text(json.dumps(vae))
    config = {"in_channels": 4, "patch_size": 2, "pos_embed_max_size": 32}
    for size, problems in ((64, 0), (128, 1)):
        settings = json.dumps(config | {"sample_size": size})
        (model / "transformer" / "config.json").write_text(settings)
        found = _problems(model)
        assert len(found) == problems
    assert "images are 1024 x 1024, but it has positions for at most 512 pixels" in found[0]


def test_a_quantization_that_is_no_table_is_reported(model):
    config = {"in_channels": 4, "sample_size": 64, "quantization_config": "int8"}
    (model / "unet" / "config.json").write_text(json.dumps(config))
    (problem,) = _problems(model)
    assert 'the quantization_config in unet/config.json is "int8", which names no' in problem
    (model / "unet" / "config.json").write_text(json.dumps(config | {"quantization_config": None}))
    assert _problems(model) == []


def test_the_folder_beside_a_single_file_needs_settings_alone(model):
    """Everything but weights is looked at as in the folder of a model."""
    file = model.with_name(f"{model.name}.safetensors")
    tensors = {"model.diffusion_model.input_blocks.0.0.weight": np.zeros((2, 4, 3, 3))}
    save_file(tensors, file)
    for weights in model.rglob("*.safetensors"):
        weights.unlink()
    assert list(model_problems(file)) == []
    (model / "vae" / "config.json").write_text('{"latent_channels": 4, "scaling_factor": 0}')
    shutil.rmtree(model / "tokenizer")
    absent, scaling = model_problems(file)
    assert absent.startswith(f"the folder {model.name}/ beside the file: model_index.json names")
    assert f"the folder {model.name}/ beside the file: vae/: the scaling_factor in" in scaling
    index = INDEX | {"_class_name": "StableDiffusionXLPipeline"}
    (model / "model_index.json").write_text(json.dumps(index))
    (problem,) = model_problems(file)
    assert "the settings of a StableDiffusionXLPipeline, but the file holds a Stable" in problem
    (model / "model_index.json").write_text("[]")
    (problem,) = model_problems(file)
    assert "is not a table of settings" in problem


def test_how_a_family_does_without_a_part_is_reported(model):
    index = _with_second_encoder(model, "StableDiffusion3Pipeline", "transformer")
    index |= {"text_encoder_3": ["transformers", "T5EncoderModel"]}
    (model / "model_index.json").write_text(json.dumps(index))
    (problem,) = _problems(model)
    assert "names text_encoder_3" in problem
    assert "[null, null]" in problem
    index["text_encoder_3"] = [None, None]
    (model / "model_index.json").write_text(json.dumps(index))
    folder = ModelFolder.read(model)
    assert list(folder_problems(folder)) == []
    assert folder.left_out == ("text_encoder_3",)


def test_other_pipelines_and_damaged_indices_are_reported(model):
    index = INDEX | {"_class_name": "KolorsPipeline"}
    (model / "model_index.json").write_text(json.dumps(index))
    assert _problems(model)[0].startswith("it is a KolorsPipeline; known: StableDiffusionPipeline")
    (model / "model_index.json").write_text("[]")
    assert "is not a table of settings" in next(model_problems(model))
    (model / "model_index.json").unlink()
    assert "there is no model_index.json" in next(model_problems(model))


def test_the_embedded_model_has_no_problem():
    assert list(model_problems(WEIGHTS / "diffusion")) == []


@pytest.mark.timeout(20)
@pytest.mark.parametrize("name", ["model_index.json", "unet/config.json"])
def test_a_pipe_in_a_model_folder_is_refused_instead_of_waiting(model, name):
    (model / name).unlink()
    os.mkfifo(model / name)
    with pytest.raises(ValueError, match=r"is not a regular file"):
        read_json(model / name)
    assert model_problems(model)


def test_a_u_net_whose_weights_lack_an_input_of_its_settings_is_refused(model):
    unet = model / "unet"
    settings = {"in_channels": 4, "sample_size": 64, "addition_embed_type": "text"}
    (unet / "config.json").write_text(json.dumps(settings))
    tensors = {"conv_in.weight": np.zeros((8, 4, 3, 3), dtype=np.float16)}
    save_file(tensors, unet / "diffusion_pytorch_model.safetensors")
    (problem,) = (found for found in model_problems(model) if found.startswith("unet/"))
    assert "lacks 7 of the 7 tensors that its addition_embed_type" in problem
    assert problem.endswith("copy unet/ again, both from one model")


def test_quantised_weights_need_the_package_that_reads_them(model):
    """No such package is installed where tests run, but torch stands for one that is."""
    for method, problems in (("bitsandbytes", 1), ("torch", 0)):
        config = {"quantization_config": {"quant_method": method, "load_in_4bit": True}}
        config["model_type"] = "clip_text_model"
        (model / "text_encoder" / "config.json").write_text(json.dumps(config))
        found = _problems(model)
        assert len(found) == problems
        assert all("text_encoder/ is quantised by bitsandbytes" in problem for problem in found)
        assert all("install it, or give the part unquantised" in problem for problem in found)


@pytest.mark.parametrize(
    ("quantization", "shown"),
    [({}, "{}"), ("int8", '"int8"'), ({"quant_method": 4}, '{"quant_method": 4}'), (None, None)],
)
def test_a_quantization_that_names_no_method_is_shown(model, quantization, shown):
    config = {"model_type": "clip_text_model", "quantization_config": quantization}
    (model / "text_encoder" / "config.json").write_text(json.dumps(config))
    found = _problems(model)
    assert len(found) == (shown is not None)
    for problem in found:
        assert problem.startswith(
            f"the quantization_config in text_encoder/config.json is {shown}, which names no "
            "quant_method; take it out if"
        )


def test_older_files_of_bitsandbytes_name_no_method(model):
    config = {"model_type": "clip_text_model", "quantization_config": {"load_in_8bit": True}}
    (model / "text_encoder" / "config.json").write_text(json.dumps(config))
    (found,) = _problems(model)
    assert "text_encoder/ is quantised by bitsandbytes" in found


def test_the_network_of_flux_takes_four_latents_in_one_place(model):
    index = _with_second_encoder(model, "FluxPipeline", "transformer")
    (model / "model_index.json").write_text(json.dumps(index))
    (model / "vae" / "config.json").write_text('{"latent_channels": 16}')
    for channels in (64, 384):
        config = {"in_channels": channels, "axes_dims_rope": [16, 56, 56]}
        (model / "transformer" / "config.json").write_text(json.dumps(config))
        problems = _problems(model)
        assert len(problems) == (channels != 64)
    assert "takes 384 channels, but the latents have 64" in problems[0]


def test_a_refiner_is_told_from_a_broken_copy(model):
    index = _with_second_encoder(model, "StableDiffusionXLPipeline", "unet")
    index |= {"text_encoder": [None, None], "tokenizer": [None, None]}
    (model / "model_index.json").write_text(json.dumps(index))
    (problem,) = _problems(model)
    assert problem.startswith("it is a refiner")
    assert problem.endswith("give the base model")


def test_parts_of_other_classes_inputs_and_scalings_are_reported(model):
    """`test_part_classes.py` and `test_unet_fit.py` have all that is."""
    (model / "vae" / "config.json").write_text('{"latent_channels": 4, "scaling_factor": null}')
    config = {"in_channels": 4, "sample_size": 64, "num_class_embeds": 1000}
    (model / "unet" / "config.json").write_text(json.dumps(config))
    unet, scaling = _problems(model)
    assert unet.startswith("unet/ is given a class or a level of noise")
    assert scaling.startswith("vae/: the scaling_factor in its config.json is null; set it")
    (model / "vae" / "config.json").write_text("{}")
    assert _problems(model)[0].startswith("vae/config.json holds no settings")


@pytest.mark.parametrize("value", [None, [], False])
def test_a_value_in_the_index_at_which_diffusers_fails_is_reported(model, value):
    """Also of a part that is never loaded, if the pipeline knows it."""
    index = {**INDEX, "safety_checker": value, "tags": value, "_note": value}
    (model / "model_index.json").write_text(json.dumps(index))
    (problem,) = model_problems(model)
    assert problem.startswith(f"model_index.json has {json.dumps(value)} for safety_checker")
    assert problem.endswith("[null, null]")


def test_lists_in_the_index_that_name_no_part_of_the_pipeline_are_not_read(model):
    index = {**INDEX, "tags": ["a", "b"], "controlnet": ["diffusers", "ControlNetModel"]}
    (model / "model_index.json").write_text(json.dumps(index))
    assert [*model_problems(model)] == []
    assert not {"tags", "controlnet"} & {*ModelFolder.read(model).parts}
