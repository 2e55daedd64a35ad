"""Models by folder or hub id; the hub's cache is read without a network."""

import os
import shutil
from pathlib import Path

import pytest
from huggingface_hub.utils import filter_repo_objects

from muse.classifiers import load_classifier
from muse.diffusion.files.hub import (
    NotOnThisMachine,
    absolute,
    configs_beside,
    decoder_config,
    embedding_and_token,
    is_single_file,
    local_file,
    local_folder,
    local_model,
    lora_and_strength,
)
from muse.mini import WEIGHTS


@pytest.fixture
def offline_cache(tmp_path, monkeypatch):
    """An empty cache of the hub, and no network."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    return tmp_path / "hub"


def test_a_hub_id_is_found_in_the_cache_without_a_network(offline_cache):
    repository = offline_cache / "models--someone--feelings"
    shutil.copytree(WEIGHTS / "guide", repository / "snapshots" / "abc")
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("abc")
    assert local_folder("someone/feelings") == repository / "snapshots" / "abc"
    assert load_classifier("someone/feelings").taxonomy.name == "mikels-8"


def test_a_hub_id_that_cannot_be_fetched_is_refused(offline_cache):
    with pytest.raises(
        ValueError, match=r"no such folder, and the hub cannot provide it .*check the name"
    ):
        local_folder("no/such")


@pytest.mark.parametrize("name", ["./no/such", "/no/such", "nosuch", "no/such/model"])
def test_a_missing_folder_is_never_looked_up_on_the_hub(monkeypatch, name):
    monkeypatch.setattr(
        "huggingface_hub.snapshot_download", lambda *_, **__: pytest.fail("looked up")
    )
    with pytest.raises(ValueError, match="no such folder, and it is not a hub id"):
        local_folder(name)


@pytest.mark.parametrize("name", ["link", "link/model", "link.safetensors", "./link"])
def test_a_link_that_leads_nowhere_is_told_with_its_end(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        "huggingface_hub.snapshot_download", lambda *_, **__: pytest.fail("looked up")
    )
    for link in ("link", "link.safetensors"):
        (tmp_path / link).symlink_to("/gone/model")
    with pytest.raises(
        ValueError, match=r"^link\S* is a link to /gone/model, and nothing is there"
    ):
        local_folder(name)


def test_the_configurations_of_a_single_file_lie_in_the_folder_of_its_name(tmp_path):
    file = tmp_path / "model.safetensors"
    assert configs_beside(file) is None
    (tmp_path / "model").mkdir()
    assert configs_beside(file) is None, "an empty folder describes nothing"
    (tmp_path / "model" / "model_index.json").write_text("{}")
    assert configs_beside(file) == tmp_path / "model"
    link = tmp_path / "shelf" / "x.safetensors"
    (tmp_path / "shelf" / "x").mkdir(parents=True)
    link.symlink_to(file)
    assert configs_beside(link) == tmp_path / "model"
    (tmp_path / "shelf" / "x" / "config.json").write_text("{}")
    assert configs_beside(link) == tmp_path / "shelf" / "x", "beside the link"


def test_without_download_a_hub_id_is_looked_for_on_this_machine_alone(offline_cache):
    with pytest.raises(NotOnThisMachine, match="not on this machine"):
        local_folder("someone/else", download=False)


def test_a_file_that_is_no_folder_is_refused(tmp_path):
    for name, message in (
        ("model.ckpt", r"give a folder, or a \.safetensors file"),
        ("model.gguf", "in the format GGUF are not read"),
        ("Model.SafeTensors", r"in lower case; rename it to Model\.safetensors"),
    ):
        (tmp_path / name).touch()
        with pytest.raises(ValueError, match=message):
            local_folder(str(tmp_path / name))


def test_half_precision_is_downloaded_only_where_a_part_has_nothing_else(tmp_path, monkeypatch):
    remote, cache = tmp_path / "remote", tmp_path / "cache"
    shutil.copytree(WEIGHTS / "diffusion", remote)
    weights = "diffusion_pytorch_model.safetensors"
    half = "diffusion_pytorch_model.fp16.safetensors"
    (remote / "unet" / weights).rename(remote / "unet" / half)
    shutil.copy(remote / "vae" / weights, remote / "vae" / half)
    (remote / "vae" / "openvino_model.bin").touch()

    def snapshot_download(name, allow_patterns, ignore_patterns, local_files_only):
        files = [str(file.relative_to(remote)) for file in remote.rglob("*") if file.is_file()]
        chosen = filter_repo_objects(
            files, allow_patterns=allow_patterns, ignore_patterns=ignore_patterns
        )
        for file in chosen:
            (cache / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(remote / file, cache / file)
        return str(cache)

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot_download)
    assert local_model("someone/diffusion") == Path(cache)
    assert {file.name for file in (cache / "unet").iterdir()} == {"config.json", half}
    assert {file.name for file in (cache / "vae").iterdir()} == {"config.json", weights}


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("style.safetensors", ("style.safetensors", 1.0)),
        ("a/style.safetensors:0.8", ("a/style.safetensors", 0.8)),
        ("owner/style:-1", ("owner/style", -1.0)),
        ("odd:name", ("odd:name", 1.0)),
    ],
)
def test_a_lora_may_have_a_strength_after_a_colon(text, read):
    assert lora_and_strength(text) == read


def test_a_path_that_is_there_has_no_strength_in_its_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert lora_and_strength("style:2") == ("style", 2.0)
    Path("style:2").mkdir()
    assert lora_and_strength("style:2") == ("style:2", 1.0)
    assert lora_and_strength("style:2:0.5") == ("style:2", 0.5)


@pytest.mark.parametrize("strength", ["nan", "inf", "-inf", "1e9", "-101"])
def test_a_strength_that_leaves_no_picture_is_refused(strength):
    with pytest.raises(ValueError, match=f"the strength after the colon is {strength}; give a num"):
        lora_and_strength(f"style.safetensors:{strength}")


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("cat.safetensors:<cat>", ("cat.safetensors", "<cat>")),
        ("owner/cat: easy", ("owner/cat", "easy")),
        ("owner/cat", ("owner/cat", None)),
        ("a:b:<cat>", ("a:b", "<cat>")),
    ],
)
def test_an_embedding_may_have_a_token_after_a_colon(text, read, tmp_path, monkeypatch):
    assert embedding_and_token(text) == read
    monkeypatch.chdir(tmp_path)
    Path("a:b").mkdir()
    assert embedding_and_token("a:b") == ("a:b", None), "a path that is there"


@pytest.mark.parametrize("token", ["", " ", "a cat", "a\tcat"])
def test_a_token_is_one_word(token):
    with pytest.raises(ValueError, match="the token after the colon is"):
        embedding_and_token(f"cat.safetensors:{token}")


def test_a_folder_that_is_named_as_a_file_is_a_folder(tmp_path):
    folder = tmp_path / "model.safetensors"
    assert is_single_file(str(folder))
    folder.mkdir()
    assert not is_single_file(str(folder))


def test_a_link_keeps_its_own_name_and_place(tmp_path, monkeypatch):
    """In the cache of the hub it leads to a file without a suffix."""
    (tmp_path / "blobs").mkdir()
    (tmp_path / "blobs" / "3f2a").touch()
    (tmp_path / "folder").mkdir()
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    os.symlink("../blobs/3f2a", shelf / "dream.safetensors")
    os.symlink("../folder", shelf / "model")
    os.symlink("shelf", tmp_path / "other")
    monkeypatch.chdir(tmp_path / "folder")
    for place in ("../shelf", "../other", tmp_path / "shelf"):
        assert local_file(f"{place}/dream.safetensors") == shelf / "dream.safetensors"
        assert local_folder(f"{place}/model") == shelf / "model"
    for here in (".", "../folder", "../shelf/.."):
        assert absolute(Path(here)).is_absolute()
        assert absolute(Path(here)).samefile(here)
    assert absolute(Path("../shelf/..")) == tmp_path


@pytest.mark.parametrize("part", ["vae", "tiny_vae"])
def test_a_whole_model_in_the_place_of_a_part_is_told_where_that_part_is(tmp_path, part):
    whole = WEIGHTS / "diffusion"
    with pytest.raises(ValueError, match=f"a whole model, not a {part}; give {whole / part}"):
        decoder_config(whole, part)
    assert decoder_config(whole / part, part)["_class_name"].startswith("Autoencoder")
    (tmp_path / "model_index.json").write_text("{}")
    with pytest.raises(ValueError, match=f"not a {part}; give the folder of one"):
        decoder_config(tmp_path, part)
