"""A node uses its own copy of a model if it does not have the driver's folder."""

import dataclasses
import json
import shutil
import subprocess
import sys

import pytest

from pipeline.errors import UserError
from pipeline.models.locate import Model
from pipeline.models.node import on_this_node, refuse_other_models
from pipeline.storage.files import sha256_folder

CLASSIFIER = '{"id2label": {"0": "awe", "1": "fear"}}'


def hub_model(folder, text):
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(text)
    (folder / "model.safetensors").write_bytes(b"weights")
    return folder


def test_a_node_without_the_drivers_folder_uses_its_own_copy(tmp_path, monkeypatch):
    """The hub's cache of a node, as `snapshot_download` finds it without asking the network."""
    commit = "0" * 40
    cache = tmp_path / "cache" / "models--owner--guide"
    own = hub_model(cache / "snapshots" / commit, CLASSIFIER)
    (cache / "refs").mkdir()
    (cache / "refs" / "main").write_text(commit)
    code = """
import dataclasses, json, sys
from pipeline.errors import UserError
from pipeline.models.locate import Model
from pipeline.models.node import on_this_node
for model in json.loads(sys.argv[1]):
    try:
        print(on_this_node("guide", Model(*model)).path)
    except UserError as error:
        print("refused:", error)
"""

    def elsewhere(*models: Model) -> list[str]:
        environment = {
            "HF_HUB_CACHE": str(tmp_path / "cache"),
            "HF_HUB_OFFLINE": "1",
            "PYTHONPATH": ":".join(sys.path),
        }
        arguments = [sys.executable, "-c", code, json.dumps([*map(dataclasses.astuple, models)])]
        return subprocess.run(
            arguments, env=environment, capture_output=True, text=True, check=True
        ).stdout.splitlines()

    driver = hub_model(tmp_path / "driver", CLASSIFIER)
    model = Model("owner/guide", str(driver), sha256_folder(driver))
    assert on_this_node("guide", model).path == str(driver)
    shutil.rmtree(driver)
    found, refused = elsewhere(model, dataclasses.replace(model, sha256="0" * 64))
    assert found == str(own)
    assert "is another model than the driver's" in refused


def test_a_model_at_the_drivers_path_is_refused_if_its_content_is_another(tmp_path):
    folder = hub_model(tmp_path / "guide", CLASSIFIER)
    models = {
        "guide": Model("owner/guide", str(folder), sha256_folder(folder)),
        "judge": Model("elsewhere", str(tmp_path / "none"), "0" * 64),
        "model": Model("null", "", ""),
    }
    refuse_other_models(models)
    (folder / "model.safetensors").write_bytes(b"Weights")
    with pytest.raises(
        UserError, match=r"guide 'owner/guide': .* is another model than the driver"
    ):
        refuse_other_models(models)
