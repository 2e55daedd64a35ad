"""Model folders that are damaged, or that could run code, are refused before anything is loaded."""

import json
import os
import shutil
import struct
from pathlib import Path

import numpy as np
import pytest
from diffusers import AutoencoderTiny
from safetensors import safe_open
from safetensors.numpy import save_file

from muse.diffusion.files.loras.lora_target import LoraTarget
from muse.emotions import Taxonomy
from muse.method import Method
from muse.mini import WEIGHTS
from pipeline.config import Config
from pipeline.errors import UserError
from pipeline.models.locate import check_models, locate
from pipeline.models.method_fit import check_method
from tests.support.families import FAMILIES


def test_a_taxonomy_of_ones_own_can_be_planned_before_its_classifiers_are_chosen():
    """A run with the embedded ones is refused."""
    moods = Taxonomy("moods", ("good", "bad"), (1, -1), ())
    (warning,) = check_models(Config(taxonomy=moods))
    assert "other emotions than the taxonomy moods; a run needs --guide and --judge" in warning
    with pytest.raises(UserError, match=r"the labels .* are not those of moods"):
        locate(Config(taxonomy=moods))
    incomplete = {role: {"awe": "good"} for role in ("guide", "judge")}
    with pytest.raises(UserError, match="label_map"):
        check_models(Config(taxonomy=moods, label_map=incomplete))


@pytest.fixture
def model(tmp_path) -> Path:
    """A whole classifier folder."""
    return Path(shutil.copytree("muse/mini/weights/guide", tmp_path / "model"))


def _settings(model: Path, name: str = "config.json", **more) -> None:
    file = model / name
    file.write_text(json.dumps({**json.loads(file.read_text()), **more}))


def _pickle_only(model: Path) -> None:
    (model / "model.safetensors").unlink()
    (model / "pytorch_model.bin").write_bytes(b"\x80\x04cos\nsystem\n(S'touch /tmp/owned'\ntR.")


def _huge_header(model: Path) -> None:
    (model / "model.safetensors").write_bytes(struct.pack("<Q", 2**60) + b"{}")


def _beyond_the_end(model: Path) -> None:
    header = json.dumps(
        {"w": {"dtype": "F32", "shape": [10**9], "data_offsets": [0, 4 * 10**9]}}
    ).encode()
    (model / "model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header)


def _index(model: Path, name: str) -> None:
    (model / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"w": name}}))


def _custom_part(model: Path) -> None:
    (model / "model_index.json").write_text(
        json.dumps({"_class_name": "StableDiffusionPipeline", "unet": ["evil", "U"]})
    )


def _pickled_part(model: Path) -> None:
    (model / "unet").mkdir()
    (model / "unet" / "config.json").write_text("{}")
    (model / "unet" / "diffusion_pytorch_model.bin").write_bytes(b"\x80\x04.")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        pytest.param(
            _pickle_only, "pytorch_model.bin is pickled, which can run any code", id="bin"
        ),
        pytest.param(
            _pickled_part, "unet/diffusion_pytorch_model.bin is pickled", id="one part pickled"
        ),
        pytest.param(
            lambda m: (m / "model.safetensors").unlink(),
            "it has no .safetensors weights",
            id="no weights",
        ),
        pytest.param(
            lambda m: os.truncate(m / "model.safetensors", 5000),
            "model.safetensors is damaged",
            id="cut",
        ),
        pytest.param(
            lambda m: (m / "model.safetensors").write_bytes(b""),
            "model.safetensors is damaged",
            id="empty",
        ),
        pytest.param(_huge_header, "model.safetensors is damaged", id="header of 2^60 bytes"),
        pytest.param(_beyond_the_end, "model.safetensors is damaged", id="tensor beyond the end"),
        pytest.param(
            lambda m: _settings(m, auto_map={"AutoModelForImageClassification": "evil.Evil"}),
            "config.json needs code of its own",
            id="remote code",
        ),
        pytest.param(_custom_part, "needs code of its own for 'unet'", id="remote code of a part"),
        pytest.param(
            lambda m: (m / "config.json").write_text("{"),
            "config.json is not JSON",
            id="broken JSON",
        ),
        pytest.param(
            lambda m: (m / "config.json").write_text("[" * 99_999),
            "config.json is not JSON",
            id="deep JSON",
        ),
        pytest.param(
            lambda m: (m / "config.json").write_text("[]"),
            "is not a table of settings",
            id="no table",
        ),
        pytest.param(
            lambda m: (m / "config.json").write_bytes(b"\xff\xfe"),
            "config.json is not JSON",
            id="no UTF-8",
        ),
        pytest.param(
            lambda m: _index(m, "../../secret.safetensors"),
            "are not in its folder",
            id="index climbs up",
        ),
        pytest.param(
            lambda m: _index(m, "/etc/passwd"), "are not in its folder", id="index is absolute"
        ),
        pytest.param(
            lambda m: _index(m, "gone.safetensors"),
            "are not in its folder",
            id="part of the weights gone",
        ),
    ],
)
def test_model_folders(model, spoil, message):
    spoil(model)
    with pytest.raises(UserError) as caught:
        locate(Config(guide=str(model)))
    assert message in str(caught.value)
    assert str(caught.value).startswith("--guide ")


def test_whole_folders_are_accepted(model):
    (model / "training_args.bin").write_bytes(b"left over, and never read")
    save_file({"w": np.zeros(3, np.float32)}, model / "more.safetensors")
    assert locate(Config(guide=str(model)))["guide"].path == str(model)


@pytest.fixture
def diffusion(tmp_path) -> Path:
    """A whole diffusion model."""
    return Path(shutil.copytree("muse/mini/weights/diffusion", tmp_path / "diffusion"))


def test_models_are_checked_without_reading_their_weights(diffusion, monkeypatch):
    monkeypatch.setattr("pipeline.models.locate.sha256_file", lambda _: pytest.fail("read"))
    assert check_models(Config(model=str(diffusion))) == []
    (diffusion / "unet" / "diffusion_pytorch_model.safetensors").unlink()
    with pytest.raises(UserError, match=r"--model .*: unet/ has no weights that diffusers reads"):
        check_models(Config(model=str(diffusion)))


def _class_name(value):
    return lambda model: _settings(model, "model_index.json", _class_name=value)


POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n"


def _pointer(name):
    return lambda model: (model / name).write_text(POINTER)


def _lose(part, tensor):
    def lose(model):
        file = model / part / "diffusion_pytorch_model.safetensors"
        with safe_open(file, "np") as opened:
            kept = {name: opened.get_tensor(name) for name in opened.keys() if name != tensor}  # noqa: SIM118
        save_file(kept, file)

    return lose


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (_lose("vae", "decoder.conv_in.bias"), "of its class AutoencoderKL (decoder.conv_in.bias)"),
        (_class_name(None), "model_index.json does not name the class of its pipeline"),
        (_class_name(""), "copy it again from a model of one of StableDiffusionPipeline, "),
        (
            lambda model: _settings(model / "text_encoder", hidden_size=96),
            "text_encoder/ and unet/ do not fit: hidden_size is 96, but cross_attention_dim is 128",
        ),
        (
            lambda model: _settings(model / "vae", latent_channels=8),
            "unet/ takes 16 channels, but the latents have 8, by vae/config.json: the VAE is of",
        ),
        (
            lambda model: _settings(model / "unet", in_channels=33),
            "unet/ takes 33 channels, but the latents have 16: it is a model for inpainting",
        ),
        (
            lambda model: _settings(model / "tiny_vae", latent_channels=4),
            "tiny_vae/: it decodes latents of 4 channels, but those of the model have 16",
        ),
        (
            _pointer("unet/diffusion_pytorch_model.safetensors"),
            "unet/diffusion_pytorch_model.safetensors is a Git LFS pointer, not the file itself; "
            "run `git lfs pull`",
        ),
        (_pointer("model_index.json"), "model_index.json is a Git LFS pointer"),
        (_pointer("tokenizer/tokenizer.json"), "tokenizer/tokenizer.json is a Git LFS pointer"),
    ],
)
def test_parts_that_do_not_fit_and_files_that_are_not_there_are_told_by_plan(
    diffusion, spoil, message
):
    spoil(diffusion)
    with pytest.raises(UserError) as caught:
        check_models(Config(model=str(diffusion)))
    assert str(caught.value).startswith(f"--model {str(diffusion)!r}: ")
    assert message in str(caught.value)


def test_another_vae_and_tiny_decoder_have_to_fit_the_model(diffusion):
    vae = str(WEIGHTS / "diffusion" / "vae")
    assert check_models(Config(model=str(diffusion), vae=vae)) == []
    with pytest.raises(
        UserError, match=r"tiny_vae '.*/vae': its class is AutoencoderKL, which is no"
    ):
        check_models(Config(model=str(diffusion), tiny_vae=vae))
    _settings(diffusion / "vae", scaling_factor=0.13025)
    with pytest.raises(UserError, match=r"settings: vae '.*own VAE is 0.13025: it is the VAE of"):
        check_models(Config(model=str(diffusion), vae=vae))


def test_a_single_file_vae_has_the_channels_of_its_tensors(tmp_path, diffusion):
    file = tmp_path / "other.safetensors"
    shutil.copy(diffusion / "vae" / "diffusion_pytorch_model.safetensors", file)
    assert check_models(Config(model=str(diffusion), vae=str(file))) == []
    weight = np.zeros((8, 4, 3, 3), np.float32)
    save_file({"first_stage_model.decoder.conv_in.weight": weight}, file)
    with pytest.raises(UserError, match=r"its latent_channels is 4, but .* own VAE is 16"):
        check_models(Config(model=str(diffusion), vae=str(file)))


def test_layers_that_a_model_does_not_have_cannot_be_left_out(diffusion):
    layers = 3
    assert check_models(Config(model=str(diffusion), clip_skip=layers - 1)) == []
    with pytest.raises(
        UserError, match=r"settings: clip_skip is 3, but text_encoder/ has 3 layers"
    ):
        check_models(Config(model=str(diffusion), clip_skip=layers))


def test_files_of_other_programs_beside_a_diffusion_model_are_no_problem(diffusion):
    for part in ("vae_decoder", "vae_encoder", "unet"):
        (diffusion / part).mkdir(exist_ok=True)
        (diffusion / part / "openvino_model.bin").touch()
        (diffusion / part / "model.onnx").touch()
    (diffusion / "vae_decoder" / "config.json").write_text("not JSON")
    assert locate(Config(model=str(diffusion)))["model"].path == str(diffusion)


@pytest.mark.parametrize(
    ("method", "problem"),
    [
        ({"sampler": "flow"}, "sampler 'flow' cannot run a model that was trained for a diffusion"),
        ({"scheduler": {"karras": True}}, r"method\.scheduler has 'karras'"),
        ({"steps": 1, "scheduler": {"timestep_spacing": "leading"}}, "does not begin at noise"),
    ],
)
def test_a_sampler_that_does_not_fit_the_model_is_told_before_anything_is_loaded(method, problem):
    with pytest.raises(UserError, match=f"settings: method: .*{problem}"):
        check_models(Config(method=Method(**method)))


def _single_file(place: Path) -> Path:
    """The names and shapes of a Stable Diffusion 1.x checkpoint, as far as they tell its family."""
    tensors = {"model.diffusion_model.input_blocks.0.0.weight": np.zeros((8, 4, 3, 3), np.float32)}
    save_file(tensors, place)
    return place


def test_what_a_folder_says_that_its_model_predicts_is_not_replaced():
    own = Method(scheduler={"prediction_type": "v_prediction"})
    assert check_models(Config(method=own)) == []
    other = Method(scheduler={"prediction_type": "epsilon"})
    with pytest.raises(UserError, match="prediction_type is 'epsilon', but the model's is 'v_pred"):
        check_models(Config(method=other))


def test_parameters_without_effect_on_the_model_are_told():
    config = Config(method=Method(eta=0.5, sampler="euler", true_cfg_scale=2.0))
    first, second = check_models(config)
    assert first.startswith("method.eta: no effect with EulerDiscreteScheduler")
    assert second.startswith("method.true_cfg_scale: no effect")


def test_the_sampler_of_a_single_file_is_checked_too(tmp_path):
    file = _single_file(tmp_path / "dream.safetensors")
    assert check_models(Config(model=str(file), tiny_vae="none")) == []
    with pytest.raises(UserError, match="sampler 'flow' cannot run a model that was trained for"):
        check_models(Config(model=str(file), method=Method(sampler="flow")))
    # The folder beside it says more: this one was trained for flow matching.
    (tmp_path / "dream" / "scheduler").mkdir(parents=True)
    (tmp_path / "dream" / "model_index.json").write_text("{}")
    own = {"_class_name": "FlowMatchEulerDiscreteScheduler"}
    (tmp_path / "dream" / "scheduler" / "scheduler_config.json").write_text(json.dumps(own))
    check_method(file, Config(method=Method(sampler="flow")))
    with pytest.raises(UserError, match="sampler 'ddim' cannot run a model that was trained for"):
        check_method(file, Config(method=Method(sampler="ddim")))


def test_prompts_in_windows_are_refused_for_models_with_a_longer_encoder(tmp_path):
    file = tmp_path / "three.safetensors"
    save_file({"model.diffusion_model.joint_blocks.0.x": np.zeros(3, np.float32)}, file)
    method = Method(long_prompts="chunk")
    with pytest.raises(UserError, match="has another encoder for longer prompts"):
        check_models(Config(model=str(file), method=method))
    assert check_models(Config(method=method)) == []


def test_a_distilled_model_that_is_asked_for_many_steps_is_told(tmp_path):
    file = _single_file(tmp_path / "dream-turbo.safetensors")
    (warning,) = check_models(Config(model=str(file), tiny_vae="none"))
    assert "set method.steps = 4, method.guidance_scale = 1" in warning
    few = Method(steps=4, guidance_scale=1.0, edit_guidance_scale=1.0)
    assert check_models(Config(model=str(file), method=few, tiny_vae="none")) == []


def test_a_model_that_would_be_downloaded_is_reported_and_not_fetched(monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    (warning,) = check_models(Config(model="nobody/no-such-model"))
    assert warning.startswith("nobody/no-such-model: not on this machine yet")
    with pytest.raises(UserError, match="it is not a hub id"):
        check_models(Config(model="./no-such-folder"))


def test_a_tiny_decoder_beside_the_model_is_part_of_the_run(tmp_path, tokenizer):
    """It is hashed as the others, and without one its absence is told."""
    model = tmp_path / "model"
    FAMILIES["sd1"](tokenizer).save_pretrained(model)
    config = Config(model=str(model))
    (told,) = check_models(config)
    assert "no tiny decoder (taesd)" in told
    assert check_models(config.replace(tiny_vae="none")) == []
    blocks = {"decoder_block_out_channels": (8, 8), "num_decoder_blocks": (1, 1)}
    blocks |= {"encoder_block_out_channels": (8, 8), "num_encoder_blocks": (1, 1)}
    AutoencoderTiny(**blocks).save_pretrained(tmp_path / "taesd")
    models = locate(config)
    assert models["tiny_vae"].path == str(tmp_path / "taesd")
    assert models["tiny_vae"].sha256
    assert check_models(config) == []
    assert "tiny_vae" not in locate(config.replace(tiny_vae="none"))


def test_what_of_a_lora_does_not_fit_is_told_by_plan(tmp_path):
    shapes = LoraTarget.of(WEIGHTS / "diffusion").layers["unet"]
    layer = next(name for name in sorted(shapes) if name.endswith("to_q"))
    out, into = shapes[layer]
    file = tmp_path / "style.safetensors"
    config = Config(lora=(f"{file}:0.5",))
    fitting = {f"unet.{layer}.lora_A.weight": np.ones((2, into), np.float32)}
    fitting |= {f"unet.{layer}.lora_B.weight": np.ones((out, 2), np.float32)}
    unknown = {name.replace(layer, "nothing"): tensor for name, tensor in fitting.items()}
    save_file(fitting, file)
    assert check_models(config) == []
    save_file(fitting | unknown, file)
    (warning,) = check_models(config)
    assert f"the LoRA {file}: 1 of its 2 layers are not in this model" in warning
    save_file({name: np.ones((2, 2), np.float32) for name in fitting}, file)
    with pytest.raises(UserError, match=rf"settings: lora '{file}:0.5': it has other widths"):
        check_models(config)


@pytest.mark.parametrize("role", ["guide", "judge", "similarity", "filter_models.safety"])
def test_a_model_that_images_would_not_reach_as_it_says_is_refused_before_a_run(role, tmp_path):
    served = "clip" if role == "similarity" else "judge"
    folder = Path(shutil.copytree(WEIGHTS / served, tmp_path / "model"))
    (folder / "processor_config.json").unlink(missing_ok=True)
    chosen = {role: str(folder)} | ({"allow_same_judge": True} if role == "guide" else {})
    if role == "filter_models.safety":
        chosen = {"filters": {"safety": 0.5}, "filter_models": {"safety": f"{folder}:awe"}}
    settings = {"image_processor_type": "ViTImageProcessor", "size": 64}
    (folder / "preprocessor_config.json").write_text(json.dumps(settings))
    check_models(Config(**chosen))
    (folder / "preprocessor_config.json").write_text(json.dumps(settings | {"do_resize": False}))
    message = f"{role}.*: its image processor ViTImageProcessor is not supported"
    with pytest.raises(UserError, match=message):
        check_models(Config(**chosen))


def test_a_copy_of_the_guide_is_no_judge_and_plan_says_so(tmp_path):
    copied = shutil.copytree(WEIGHTS / "guide", tmp_path / "copy")
    with pytest.raises(UserError, match="--guide and --judge have the same weights"):
        check_models(Config(judge=str(copied)))


def test_a_model_of_another_family_is_named_whatever_else_it_lacks(tmp_path):
    (tmp_path / "model_index.json").write_text('{"_class_name": "KandinskyV22Pipeline"}')
    with pytest.raises(UserError, match=r"it is a KandinskyV22Pipeline; known: .* of these"):
        check_models(Config(model=str(tmp_path)))
