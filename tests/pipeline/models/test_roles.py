"""Which settings name models, and what on this machine serves each."""

import pytest

from muse.mini import WEIGHTS
from pipeline.config import Config
from pipeline.models.roles import is_classifier, is_here, local_path, names_of


def test_every_model_that_the_settings_name_has_a_role():
    config = Config(
        model="owner/model",
        tiny_vae="none",
        lora=("a.safetensors:0.5", "owner/b"),
        filters={"safe": 0.5},
        filter_models={"safe": "owner/nsfw: normal"},
    )
    assert names_of(config) == {
        "model": "owner/model",
        "guide": "embedded",
        "judge": "embedded",
        "similarity": "embedded",
        "lora 0": "a.safetensors:0.5",
        "lora 1": "owner/b",
        "filter_models.safe": "owner/nsfw",
    }
    assert {role for role in names_of(config) if is_classifier(role)} == {
        "guide",
        "judge",
        "filter_models.safe",
    }


def test_a_role_is_served_by_a_folder_a_file_or_the_embedded_model(tmp_path):
    assert local_path("similarity", "embedded") == WEIGHTS / "clip"
    file = tmp_path / "x.safetensors"
    file.touch()
    assert local_path("lora 1", f"{file}:0.5") == local_path("model", str(file)) == file
    with pytest.raises(ValueError, match="it is a single file; give its folder"):
        local_path("guide", str(file))
    assert local_path("guide", str(tmp_path)) == tmp_path


def test_what_would_be_downloaded_is_not_here_and_what_is_wrong_needs_no_download(
    monkeypatch, tmp_path
):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    assert not is_here("guide", "nobody/no-such-model")
    assert is_here("guide", "./no-such-folder")
    assert is_here("judge", "embedded")
