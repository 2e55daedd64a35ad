"""Which settings name models, and what on this machine serves each."""

import pytest

from muse.mini import WEIGHTS
from pipeline.config import Config
from pipeline.models.roles import (
    is_classifier,
    is_here,
    local_path,
    names_of,
    read_from,
    without_option,
)


def test_every_model_that_the_settings_name_has_a_role():
    config = Config(
        model="owner/model",
        tiny_vae="none",
        lora=("a.safetensors:0.5", "owner/b"),
        embedding=("c.safetensors:<cat>", "owner/d"),
        filters={"safe": 0.5},
        filter_models={"safe": "owner/nsfw: normal"},
    )
    assert names_of(config) == {
        "model": "owner/model",
        "guide": "embedded",
        "judge": "embedded",
        "similarity": "embedded",
        "content_judge": "embedded",
        "lora 0": "a.safetensors:0.5",
        "lora 1": "owner/b",
        "embedding 0": "c.safetensors:<cat>",
        "embedding 1": "owner/d",
        "filter_models.safe": "owner/nsfw",
    }
    assert {role for role in names_of(config) if is_classifier(role)} == {
        "guide",
        "judge",
        "filter_models.safe",
    }


@pytest.mark.parametrize(
    ("similarity", "given", "judge"),
    [
        ("embedded", "", "embedded"),
        ("owner/clip", "", None),
        ("owner/clip", "owner/clip", None),
        ("owner/clip", "owner/other", "owner/other"),
        ("owner/clip", "embedded", "embedded"),
    ],
)
def test_content_is_judged_by_the_clip_that_steers_unless_there_is_another(
    similarity, given, judge
):
    config = Config(similarity=similarity, content_judge=given)
    assert names_of(config).get("content_judge") == judge


def test_a_role_is_served_by_a_folder_a_file_or_the_embedded_model(tmp_path):
    assert local_path("similarity", "embedded") == WEIGHTS / "clip"
    assert local_path("content_judge", "embedded") == WEIGHTS / "content-clip"
    file = tmp_path / "x.safetensors"
    file.touch()
    assert local_path("lora 1", f"{file}:0.5") == local_path("model", str(file)) == file
    assert (
        local_path("embedding 0", f"{file}:<cat>") == local_path("embedding 0", str(file)) == file
    )
    assert without_option("embedding 0", "owner/style:<cat>") == "owner/style"
    assert without_option("vae", "owner/style:0.5") == "owner/style:0.5"
    with pytest.raises(ValueError, match="it is a single file; give its folder"):
        local_path("guide", str(file))
    assert local_path("guide", str(tmp_path)) == tmp_path


def test_a_link_serves_a_role_in_its_own_place(tmp_path, monkeypatch):
    """Beside it lies what belongs to it. The path is absolute: workers run in other folders."""
    blob, link = tmp_path / "3f2a", tmp_path / "snapshot" / "x.safetensors"
    blob.touch()
    link.parent.mkdir()
    link.symlink_to(blob)
    monkeypatch.chdir(link.parent)
    for role in ("model", "vae", "lora 0"):
        assert local_path(role, "x.safetensors") == link


def test_of_the_folder_of_a_lora_one_file_is_read(tmp_path):
    file = tmp_path / "style.safetensors"
    file.touch()
    assert read_from("lora 0", tmp_path) == read_from("embedding 0", tmp_path) == file
    assert read_from("vae", tmp_path) == tmp_path
    (tmp_path / "other.safetensors").touch()
    assert read_from("lora 0", tmp_path) == tmp_path, "it is not known which"


def test_what_would_be_downloaded_is_not_here_and_what_is_wrong_needs_no_download(
    monkeypatch, tmp_path
):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    assert not is_here("guide", "nobody/no-such-model")
    assert is_here("guide", "./no-such-folder")
    assert is_here("judge", "embedded")
