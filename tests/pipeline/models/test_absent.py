"""A path at which nothing is, is not taken for a hub id without a word."""

import pytest

from pipeline.config import Config
from pipeline.errors import UserError
from pipeline.models.absent import absence_warning


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path, monkeypatch):
    (tmp_path / "models").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))


def test_what_is_here_is_not_warned_of():
    assert absence_warning(Config()) is None


def test_a_hub_id_may_be_downloaded_later():
    warning = absence_warning(Config(model="owner/name"))
    assert warning.startswith("owner/name: not on this machine yet; models are checked when all")
    assert "path" not in warning


def test_the_name_of_a_folder_beside_others_may_be_a_mistake():
    warning = absence_warning(Config(model="models/nope", vae="owner/vae"))
    assert warning.startswith("models/nope, owner/vae: not on this machine yet")
    assert warning.endswith("If models/nope is meant as a path, nothing is there")


@pytest.mark.parametrize(
    "given", [{"lora": ("models/nope.safetensors:0.5",)}, {"vae": "models/nope.safetensors"}]
)
def test_a_file_that_is_not_there_is_refused(given):
    with pytest.raises(UserError, match=r"settings: (lora|vae) 'models/nope.*: there is no such f"):
        absence_warning(Config(**given))
