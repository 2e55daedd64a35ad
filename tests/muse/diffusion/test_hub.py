"""Models by folder or hub id; the hub's cache is read without a network."""

import shutil

import pytest

from muse.classifiers import load_classifier
from muse.diffusion.hub import configs_beside, local_folder
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


def test_the_configurations_of_a_single_file_lie_in_the_folder_of_its_name(tmp_path):
    file = tmp_path / "model.safetensors"
    assert configs_beside(file) is None
    (tmp_path / "model").mkdir()
    assert configs_beside(file) is None, "an empty folder describes nothing"
    (tmp_path / "model" / "model_index.json").write_text("{}")
    assert configs_beside(file) == tmp_path / "model"
