"""Single files, LoRAs and hub ids, all with small random weights."""

import json
import os
import shutil
import sys
import warnings

import pytest
import torch
from safetensors.torch import load_file, save_file

from muse.api import MusePipeline
from muse.diffusion.backbones import load_backbone
from muse.diffusion.backbones.checkpoints import fuse_loras
from muse.diffusion.files.hub import NO_TINY_VAE
from muse.emotions import Target
from muse.engine.engine import MuseEngine
from muse.method import Method
from muse.mini import WEIGHTS
from muse.request import Request
from pipeline.config import Config
from pipeline.errors import UserError
from pipeline.generation.engines.load import load_engine
from pipeline.models.locate import locate
from tests.support import originals
from tests.support.families import FAMILIES, small_vae

QUICK = Method(
    steps=3, max_updates_per_step=2, timing="fixed", timing_level=0.0, guidance_end=1.0, tokens=2
)
SINGLE = ("sd1", "sd2", "sdxl")
COMMIT = "0123456789abcdef" * 2 + "01234567"
WEIGHTLESS = shutil.ignore_patterns("*.safetensors")


@pytest.fixture(scope="module")
def folders(tokenizer, tmp_path_factory):
    """A folder of each family with single files, and the model in `NAME-file.safetensors`."""
    root = tmp_path_factory.mktemp("models")
    for name in SINGLE:
        torch.manual_seed(0)
        pipe = FAMILIES[name](tokenizer)
        pipe.save_pretrained(root / name)
        save_file(getattr(originals, name)(pipe), root / f"{name}-file.safetensors")
    return root


@pytest.fixture(scope="module")
def lora(folders):
    """A LoRA of the sd1 folder's U-Net, as a training script of diffusers leaves it."""
    from diffusers import StableDiffusionPipeline
    from diffusers.utils import convert_state_dict_to_diffusers
    from peft import LoraConfig
    from peft.utils import get_peft_model_state_dict

    pipe = StableDiffusionPipeline.from_pretrained(folders / "sd1")
    torch.manual_seed(3)
    parts = ["to_q", "to_k", "to_v", "to_out.0"]
    pipe.unet.add_adapter(
        LoraConfig(r=2, lora_alpha=2, init_lora_weights=False, target_modules=parts)
    )
    layers = convert_state_dict_to_diffusers(get_peft_model_state_dict(pipe.unet))
    StableDiffusionPipeline.save_lora_weights(folders / "style", unet_lora_layers=layers)
    return folders / "style" / "pytorch_lora_weights.safetensors"


def _predicted(backbone, prompt="a dog in a forest"):
    """One prediction, its decoded picture, and a picture's latents: all three parts of a model."""
    draw = torch.Generator().manual_seed(0)
    latents = torch.randn(1, *backbone.latent_shape, generator=draw)
    pixels = torch.rand(1, 3, 32, 32, generator=draw)
    with torch.no_grad():
        output = backbone.predict(
            latents, torch.tensor([500]), backbone.embed(backbone.text.plain([prompt]))
        )
        return output, backbone.codec.decode(latents), backbone.codec.encode(pixels)


@pytest.mark.parametrize("family", SINGLE)
def test_a_single_file_is_the_folder_it_was_made_of(
    folders, tmp_path, family, random_guide, random_clip
):
    file = shutil.copy(folders / f"{family}-file.safetensors", tmp_path / "model.safetensors")
    shutil.copytree(folders / family, tmp_path / "model", ignore=WEIGHTLESS)
    single = load_backbone(file)
    for ours, theirs in zip(
        _predicted(single), _predicted(load_backbone(folders / family)), strict=True
    ):
        assert torch.allclose(ours, theirs, atol=1e-5)
    request = Request("a dog in a forest", Target.of("awe"), 1)
    (sample,) = MuseEngine(single, random_guide, random_clip, QUICK).run([request])
    assert sample.failure is None
    assert sample.trace.updates == 6


def test_a_single_file_that_nothing_describes_is_refused_with_the_folder_to_make(
    folders, monkeypatch
):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(ValueError, match=r"without weights, into the folder .*/sd1-file$"):
        load_backbone(folders / "sd1-file.safetensors")


@pytest.mark.parametrize("lost", ["cond_stage_model", "model.diffusion_model.out.2"])
def test_a_single_file_without_all_weights_is_refused(folders, tmp_path, lost):
    kept = {
        k: v
        for k, v in load_file(folders / "sd1-file.safetensors").items()
        if not k.startswith(lost)
    }
    save_file(kept, tmp_path / "model.safetensors")
    shutil.copytree(folders / "sd1", tmp_path / "model", ignore=WEIGHTLESS)
    with pytest.raises(ValueError, match="cannot be opened as StableDiffusionPipeline"):
        load_backbone(tmp_path / "model.safetensors")
    (tmp_path / "model" / "text_encoder" / "pytorch_model.bin").write_bytes(b"\x80\x04.")
    with pytest.raises(ValueError, match=r"pytorch_model.bin is pickled"):
        load_backbone(tmp_path / "model.safetensors")


def test_a_vae_in_a_single_file_is_taken(folders, tmp_path):
    torch.manual_seed(9)
    other = small_vae()
    other.save_pretrained(tmp_path / "vae")
    save_file(originals.vae(other), tmp_path / "original.safetensors")
    (tmp_path / "original").mkdir()
    shutil.copy(tmp_path / "vae" / "config.json", tmp_path / "original")
    folder, file, own = (
        load_backbone(folders / "sd1", vae=vae and str(tmp_path / vae))
        for vae in ("vae", "original.safetensors", None)
    )
    assert torch.allclose(_predicted(folder)[1], _predicted(file)[1], atol=1e-5)
    assert not torch.allclose(_predicted(folder)[1], _predicted(own)[1], atol=1e-3)


def test_a_single_file_vae_takes_the_settings_of_the_models_own(folders, tmp_path):
    """diffusers would give it those of Stable Diffusion 1.5, whatever the family."""
    model = tmp_path / "model"
    shutil.copytree(folders / "sd1", model)
    config = model / "vae" / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"scaling_factor": 0.13025}))
    file = tmp_path / "original.safetensors"
    save_file(originals.vae(load_backbone(model).codec.vae), file)
    assert load_backbone(model, vae=str(file)).codec.vae.config.scaling_factor == 0.13025
    with pytest.raises(ValueError, match=r"scaling_factor is 0.18215, but that of the model's own"):
        load_backbone(model, vae=str(folders / "sd1" / "vae"))


def test_a_lora_changes_the_network_by_its_own_product(folders, lora):
    plain, fused = load_backbone(folders / "sd1"), load_backbone(folders / "sd1", lora=[str(lora)])
    before, after = plain.network.state_dict(), fused.network.state_dict()
    assert before.keys() == after.keys(), "nothing of peft is left in the network"
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    layers = load_file(lora)
    halves = {name.removeprefix("unet.").split(".lora")[0] for name in layers}
    assert changed == {f"{name}.weight" for name in halves}
    name = "mid_block.attentions.0.transformer_blocks.0.attn2.to_k"
    down, up = (layers[f"unet.{name}.lora.{which}.weight"] for which in ("down", "up"))
    assert torch.allclose(after[f"{name}.weight"], before[f"{name}.weight"] + up @ down, atol=1e-5)
    assert not torch.allclose(_predicted(plain)[0], _predicted(fused)[0], atol=1e-3)


@pytest.mark.parametrize(
    ("family", "parts"),
    [
        ("sd1", ["text_encoder", "unet"]),
        ("sdxl", ["text_encoder", "text_encoder_2", "unet"]),
        ("sd3", ["text_encoder", "text_encoder_2", "transformer"]),
        ("flux", ["text_encoder", "transformer"]),
        ("z_image", ["transformer"]),
    ],
)
def test_a_lora_changes_every_part_that_it_has_weights_for(tokenizer, tmp_path, family, parts):
    """diffusers fuses only some parts of some families unless it is told which."""
    pipe = FAMILIES[family](tokenizer)
    draw, halves, before = torch.Generator().manual_seed(0), {}, {}
    for part in parts:
        weights = getattr(pipe, part).state_dict()
        ends = ("q_proj.weight", "to_q.weight")
        name = next(name for name in weights if name.endswith(ends))
        weight = weights[name].clone()
        before[part] = (name, weight)
        layer = f"{part}.{name.removesuffix('.weight')}"
        halves[f"{layer}.lora_A.weight"] = torch.randn(2, weight.shape[1], generator=draw)
        halves[f"{layer}.lora_B.weight"] = torch.randn(weight.shape[0], 2, generator=draw)
    save_file(halves, tmp_path / "style.safetensors")
    fuse_loras(pipe, [f"{tmp_path / 'style.safetensors'}:0.5"])
    for part, (name, weight) in before.items():
        layer = f"{part}.{name.removesuffix('.weight')}"
        product = halves[f"{layer}.lora_B.weight"] @ halves[f"{layer}.lora_A.weight"]
        fused = getattr(pipe, part).state_dict()[name]
        assert torch.allclose(fused, weight + 0.5 * product, atol=1e-5), part


def test_the_norms_of_a_lora_for_flux_stay_in_the_model(tokenizer, tmp_path):
    pipe = FAMILIES["flux"](tokenizer)
    weights = pipe.transformer.state_dict()
    norm = next(name for name in sorted(weights) if name.endswith("attn.norm_q.weight"))
    layer = next(name for name in sorted(weights) if name.endswith("attn.to_q.weight"))
    brought = torch.full_like(weights[norm], 1.5)
    out, into = weights[layer].shape
    halves = {"A": torch.ones(2, into), "B": torch.ones(out, 2)}
    stem = f"transformer.{layer.removesuffix('.weight')}.lora"
    tensors = {f"{stem}_{half}.weight": tensor for half, tensor in halves.items()}
    save_file({**tensors, f"transformer.{norm}": brought}, tmp_path / "style.safetensors")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fuse_loras(pipe, [str(tmp_path / "style.safetensors")])
    assert torch.equal(pipe.transformer.state_dict()[norm], brought)


@pytest.mark.parametrize("clip_skip", [-1, True, 1.0, "1"])
def test_a_number_of_layers_to_leave_out_is_checked(folders, clip_skip):
    with pytest.raises(ValueError, match=f"clip_skip is {clip_skip!r}; give a whole number from 0"):
        load_backbone(folders / "sd1", clip_skip=clip_skip)


def test_loras_add_up(folders, lora):
    """The folder and the file are the same LoRA; one may be given alone."""
    plain, once, twice = (
        load_backbone(folders / "sd1", lora=names).network.state_dict()
        for names in ([], str(lora), [lora.parent, str(lora)])
    )
    for name, weight in plain.items():
        assert torch.allclose(twice[name] - weight, 2 * (once[name] - weight), atol=1e-5)


def test_a_lora_that_fits_nothing_is_refused(folders, lora, tmp_path):
    wide = {
        name: torch.randn(*(2 * side for side in value.shape))
        for name, value in load_file(lora).items()
    }
    save_file(wide, tmp_path / "wide.safetensors")
    foreign = {
        name.replace("unet.", "transformer."): value for name, value in load_file(lora).items()
    }
    save_file(foreign, tmp_path / "foreign.safetensors")
    for name in ("wide", "foreign"):
        with pytest.raises(ValueError, match=f"the LoRA .*{name}.safetensors"):
            load_backbone(folders / "sd1", lora=[str(tmp_path / f"{name}.safetensors")])


def test_a_lora_has_the_strength_after_its_colon(folders, lora):
    plain, full, part = (
        load_backbone(folders / "sd1", lora=names).network.state_dict()
        for names in ([], [str(lora)], [f"{lora}:0.25"])
    )
    for name, weight in plain.items():
        assert torch.allclose(part[name] - weight, 0.25 * (full[name] - weight), atol=1e-5)


def test_a_run_fuses_a_lora_with_its_strength(folders, lora):
    config = Config(model=str(folders / "sd1"), lora=(f"{lora}:0.25",), method=QUICK)
    models = locate(config)
    assert models["lora 0"].path == str(lora)
    ours = load_engine(models, config, on_gpu=False).engine.setup.backbone.network.state_dict()
    theirs = load_backbone(folders / "sd1", lora=[f"{lora}:0.25"]).network.state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_a_model_with_parts_in_half_precision_only_is_loaded(folders, tmp_path):
    """One part is sharded, one has both precisions, of which the full one is taken."""
    from diffusers import StableDiffusionPipeline

    pipe = StableDiffusionPipeline.from_pretrained(folders / "sd1")
    model = tmp_path / "model"
    shutil.copytree(folders / "sd1", model)
    for part in ("unet", "text_encoder", "vae"):
        for file in (model / part).glob("*.safetensors"):
            file.unlink()
    pipe.unet.half().save_pretrained(model / "unet", variant="fp16", max_shard_size="100KB")
    pipe.text_encoder.half().save_pretrained(
        model / "text_encoder", variant="fp16", max_shard_size="20KB"
    )
    pipe.vae.save_pretrained(model / "vae")
    pipe.vae.half().save_pretrained(model / "vae", variant="fp16")
    assert len([*(model / "unet").glob("*.safetensors")]) > 1
    assert len([*(model / "text_encoder").glob("*.safetensors")]) > 1
    locate(Config(model=str(model)))
    half, full = load_backbone(model), load_backbone(folders / "sd1")
    assert half.network.dtype == torch.float32
    for ours, theirs in ((half.network, full.network), (half.text.models[0], full.text.models[0])):
        for name, weight in theirs.state_dict().items():
            assert torch.equal(ours.state_dict()[name], weight.half().float())
    vaes = half.codec.vae.state_dict(), full.codec.vae.state_dict()
    assert all(torch.equal(vaes[0][name], vaes[1][name]) for name in vaes[1])


def test_a_model_without_its_unused_parts_is_loaded_and_their_pickles_are_not(folders, tmp_path):
    model = tmp_path / "model"
    shutil.copytree(folders / "sd1", model)
    index = json.loads((model / "model_index.json").read_text())
    index["feature_extractor"] = ["transformers", "CLIPImageProcessor"]
    index["safety_checker"] = ["stable_diffusion", "StableDiffusionSafetyChecker"]
    (model / "model_index.json").write_text(json.dumps(index))
    (model / "safety_checker").mkdir()
    (model / "safety_checker" / "config.json").write_text("{}")
    (model / "safety_checker" / "pytorch_model.bin").write_bytes(b"\x80\x04.")
    locate(Config(model=str(model)))
    assert torch.equal(
        _predicted(load_backbone(model))[0], _predicted(load_backbone(folders / "sd1"))[0]
    )


def test_without_peft_a_lora_is_refused_with_the_remedy(folders, lora, monkeypatch):
    monkeypatch.setattr("diffusers.utils.USE_PEFT_BACKEND", False)
    with pytest.raises(ValueError, match=r"pip install \"muse-batch\[lora\]\""):
        load_backbone(folders / "sd1", lora=[str(lora)])
    monkeypatch.setitem(sys.modules, "peft", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"settings: lora: .* pip install"):
        locate(Config(lora=(str(lora),)))


def test_a_run_knows_a_single_file_by_its_weights_and_its_configurations(folders, tmp_path):
    file = tmp_path / "model.safetensors"
    shutil.copy(folders / "sd1-file.safetensors", file)
    alone = locate(Config(model=str(file)))["model"]
    assert alone.path == str(file)
    shutil.copytree(folders / "sd1", tmp_path / "model", ignore=WEIGHTLESS)
    described = locate(Config(model=str(file)))["model"]
    settings = tmp_path / "model" / "scheduler" / "scheduler_config.json"
    settings.write_text(settings.read_text().replace("0.012", "0.02"))
    assert (
        len({alone.sha256, described.sha256, locate(Config(model=str(file)))["model"].sha256}) == 3
    )
    settings.write_text("{")
    with pytest.raises(UserError, match=r"scheduler_config.json is not JSON"):
        locate(Config(model=str(file)))
    os.truncate(file, 5000)
    with pytest.raises(UserError, match=r"model.safetensors is damaged"):
        locate(Config(model=str(file)))
    with pytest.raises(UserError, match=r"tiny_vae .* give its folder"):
        locate(Config(tiny_vae=str(WEIGHTS / "guide" / "model.safetensors")))


@pytest.mark.parametrize(("tiny_vae", "tiny"), [("", True), (NO_TINY_VAE, False)])
def test_a_run_uses_the_tiny_decoder_of_its_model_or_the_vae(tiny_vae, tiny):
    config = Config(tiny_vae=tiny_vae)
    models = locate(config)
    assert "tiny_vae" not in models, "it is a part of the model, and of its hash"
    codec = load_engine(models, config, on_gpu=False).engine.setup.backbone.codec
    assert (codec.tiny is not None) == tiny


@pytest.fixture
def hub(folders, lora, tmp_path, monkeypatch):
    """The folders of models in a cache of the hub, by their names after `small/`; no network."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    small_vae().save_pretrained(tmp_path / "vae")
    sources = {
        "diffusion": folders / "sd1",
        "feelings": WEIGHTS / "guide",
        "clip": WEIGHTS / "clip",
        "vae": tmp_path / "vae",
        "style": lora.parent,
    }
    snapshots = {}
    for name, source in sources.items():
        repository = tmp_path / "hub" / f"models--small--{name}"
        snapshots[name] = repository / "snapshots" / COMMIT
        shutil.copytree(source, snapshots[name])
        (repository / "refs").mkdir()
        (repository / "refs" / "main").write_text(COMMIT)
    return snapshots


ONE_STEP = Method(steps=2, max_updates_per_step=1, timing="fixed", timing_level=0.0)
HUB_IDS = {
    "model": "small/diffusion",
    "guide": "small/feelings",
    "similarity": "small/clip",
    "vae": "small/vae",
}


def test_a_run_finds_hub_ids_in_the_cache_without_a_network(hub, folders, lora):
    config = Config(**HUB_IDS, lora=("small/style",), method=ONE_STEP)
    models = locate(config)
    for role, name in {**HUB_IDS, "lora 0": "small/style"}.items():
        assert models[role].path == str(hub[name.removeprefix("small/")])
    engine = load_engine(models, config, on_gpu=False).engine
    ours = engine.setup.backbone.network.state_dict()
    theirs = load_backbone(folders / "sd1", lora=[str(lora)]).network.state_dict()
    key = "mid_block.attentions.0.transformer_blocks.0.attn2.to_k.weight"
    assert torch.allclose(ours[key], theirs[key], atol=1e-6)


def test_a_script_finds_hub_ids_in_the_cache_without_a_network(hub):
    pipe = MusePipeline.from_pretrained(
        HUB_IDS["model"],
        HUB_IDS["guide"],
        HUB_IDS["similarity"],
        method=ONE_STEP,
        vae=HUB_IDS["vae"],
        lora=["small/style"],
    )
    made = pipe("a dog in a forest", "awe", generator=torch.Generator().manual_seed(0))
    assert made.images[0].size == (32, 32)


def test_a_run_reads_links_of_the_hubs_cache_in_their_own_place(folders, lora, tmp_path):
    """They lead to files without a suffix, and the settings of a single file lie beside them."""
    links = {"model": folders / "sd1-file.safetensors", "style": lora}
    for name, file in links.items():
        shutil.copy(file, tmp_path / f"blob-{name}")
        (tmp_path / f"{name}.safetensors").symlink_to(tmp_path / f"blob-{name}")
    shutil.copytree(folders / "sd1", tmp_path / "model", ignore=WEIGHTLESS)
    style = str(tmp_path / "style.safetensors")
    config = Config(model=str(tmp_path / "model.safetensors"), lora=(style,), method=QUICK)
    ours = load_engine(locate(config), config, on_gpu=False).engine.setup.backbone
    theirs = load_backbone(folders / "sd1", lora=[str(lora)])
    # Weights that lie elsewhere in memory may be rounded otherwise.
    assert torch.allclose(_predicted(ours)[0], _predicted(theirs)[0], atol=1e-5)


def test_the_file_that_a_lora_is_read_from_is_chosen_by_us(folders, lora, tmp_path):
    """diffusers passes over names such as this one, and takes any of several."""
    alone = tmp_path / "alone" / "checkpoint-500.safetensors"
    alone.parent.mkdir()
    shutil.copy(lora, alone)
    several = shutil.copytree(lora.parent, tmp_path / "several")
    other = {name: 2 * value for name, value in load_file(lora).items()}
    save_file(other, several / "a.safetensors")
    expected = load_backbone(folders / "sd1", lora=[str(lora)]).network.state_dict()
    with pytest.warns(UserWarning, match="not read beside it: a.safetensors"):
        chosen = load_backbone(folders / "sd1", lora=[str(several)]).network.state_dict()
    only = load_backbone(folders / "sd1", lora=[str(alone.parent)]).network.state_dict()
    for name, weight in expected.items():
        assert torch.equal(only[name], weight)
        assert torch.equal(chosen[name], weight)
    (several / lora.name).unlink()
    save_file(other, several / "b.safetensors")
    with pytest.raises(ValueError, match="holds 2 "):
        load_backbone(folders / "sd1", lora=[str(several)])


def test_a_lora_that_is_not_there_is_named(folders, tmp_path):
    with pytest.raises(ValueError, match=r"the LoRA .*/nowhere: there is no such folder"):
        load_backbone(folders / "sd1", lora=[str(tmp_path / "nowhere")])
