"""A worker loads the engine that the settings name, with the models of each role."""

import shutil

import pytest
import torch
from diffusers import UNet2DConditionModel
from safetensors.torch import load_file

from muse.diffusion.compiling import Compiling
from muse.diffusion.files.hub import embedding_and_token, lora_and_strength
from muse.mini import WEIGHTS
from muse.sizes import Size
from pipeline.config import Config
from pipeline.generation.engines import load
from pipeline.generation.engines.load import import_libraries, load_engine
from pipeline.generation.engines.muse_engine import ScoringMuseEngine
from pipeline.generation.engines.null_engine import NullEngine
from pipeline.models.locate import Model, locate
from tests.support.embeddings import save_embedding


def test_the_null_engine_needs_no_model():
    config = Config(engine="null")
    import_libraries(config)
    assert isinstance(load_engine(locate(config), config, on_gpu=False), NullEngine)


def test_the_embedded_models_load_by_role():
    config = Config()
    loaded = load_engine(locate(config), config, on_gpu=False)
    assert isinstance(loaded, ScoringMuseEngine)
    assert (loaded.sizes.own, loaded.device) == (Size(128, 128), "cpu")
    assert loaded.compiling == "off: nothing is compiled on a device of the kind cpu"
    assert loaded.guide is not loaded.judge
    assert loaded.content_judge is not loaded.engine.setup.clip


def test_a_model_that_cannot_be_compiled_by_itself_is_loaded_without(monkeypatch):
    """As on a GPU of a machine without a compiler for C: a reading fails, and is made again."""

    def no_compiler(*_, **__):
        raise OSError("no compiler for C")

    def compile_blocks(network, **_):
        network.mid_block._compiled_call_impl = no_compiler

    monkeypatch.setattr(load, "decide", lambda *_: Compiling(True, "the run is long"))
    monkeypatch.setattr(UNet2DConditionModel, "compile_repeated_blocks", compile_blocks)
    config = Config()
    loaded = load_engine(locate(config), config, on_gpu=False)
    assert loaded.compiling == "off: torch could not compile this model here (OSError)"
    loaded.try_memory(1, Size(128, 128))
    asked_for = config.replace(compile="on")
    loaded = load_engine(locate(asked_for), asked_for, on_gpu=False)
    assert loaded.compiling == "on: the run is long"
    with pytest.raises(OSError, match="no compiler"):
        loaded.try_memory(1, Size(128, 128))


def test_the_clip_that_steers_judges_where_no_other_is_given(tmp_path):
    own = str(shutil.copytree(WEIGHTS / "clip", tmp_path / "clip"))
    config = Config(similarity=own)
    loaded = load_engine(locate(config), config, on_gpu=False)
    assert loaded.content_judge is loaded.engine.setup.clip
    config = Config(similarity=own, content_judge="embedded")
    loaded = load_engine(locate(config), config, on_gpu=False)
    assert loaded.content_judge is not loaded.engine.setup.clip


@pytest.mark.parametrize("role", ["diffusion model", "guide", "similarity model"])
def test_an_error_of_loading_says_which_model_and_why(monkeypatch, role):
    loaders = {
        "diffusion model": "muse.diffusion.backbones.load_backbone",
        "guide": "muse.classifiers.load_classifier",
        "similarity model": "muse.classifiers.clip.ClipSimilarity.from_pretrained",
    }

    def fail(*_, **__):
        raise RuntimeError("Error(s) in loading:\n\tsize mismatch for proj")

    monkeypatch.setattr(loaders[role], fail)
    config = Config()
    models = locate(config)
    path = models[role.split()[0].replace("diffusion", "model")].path
    with pytest.raises(ValueError, match="cannot be loaded") as caught:
        load_engine(models, config, on_gpu=False)
    why = "Error(s) in loading: size mismatch for proj"
    assert str(caught.value) == f"the {role} {path} cannot be loaded: {why}"


def test_the_strength_of_a_lora_is_read_as_where_the_run_was_started(tmp_path, monkeypatch):
    """There `style:2` was a folder; a worker has another working directory."""
    monkeypatch.chdir(tmp_path)
    for name, path, strength in (
        ("style:2", "/loras/style:2", 1.0),
        ("loras/style:2/", "/loras/style:2", 1.0),
        ("style:2", "/loras/style", 2.0),
        ("style:2:0.5", "/loras/style:2", 0.5),
        ("owner/style:0.5", "/hub/snapshots/abc", 0.5),
        ("owner/style", "/hub/snapshots/abc", 1.0),
    ):
        assert lora_and_strength(load._lora(Model(name, path, ""))) == (path, strength)


def test_the_token_of_an_embedding_is_read_as_where_the_run_was_started(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    for name, path, token in (
        ("style:<cat>", "/embeddings/style:<cat>", None),
        ("style.safetensors:<cat>", "/embeddings/style.safetensors", "<cat>"),
        ("owner/style:<cat>", "/hub/snapshots/abc", "<cat>"),
        ("owner/style", "/hub/snapshots/abc", None),
    ):
        given = load._embedding(Model(name, path, ""))
        assert given == (path if token is None else f"{path}:{token}")
        if token is not None:
            assert embedding_and_token(given) == (path, token)


def test_an_embedding_of_the_settings_is_in_the_model_that_is_loaded(tmp_path):
    width = 128
    file = save_embedding(tmp_path / "cat.safetensors", {"emb_params": (2, width)})
    config = Config(embedding=(f"{file}:<cat>",))
    text = load_engine(locate(config), config, on_gpu=False).engine.setup.backbone.text
    ids = text.tokenizers[0].convert_tokens_to_ids(["<cat>", "<cat>_1"])
    assert torch.equal(text.tables[0].weight[ids], load_file(file)["emb_params"])
