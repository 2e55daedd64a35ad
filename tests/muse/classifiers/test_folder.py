"""Classifier folders that must not be loaded."""

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from muse.classifiers import load_classifier
from muse.mini import WEIGHTS


def test_an_unsafe_or_incomplete_folder_is_refused(tmp_path):
    unsafe = tmp_path / "unsafe"
    shutil.copytree(WEIGHTS / "guide", unsafe)
    config = json.loads((unsafe / "config.json").read_text())
    (unsafe / "config.json").write_text(
        json.dumps(config | {"auto_map": {"AutoModel": "evil.Model"}})
    )
    with pytest.raises(ValueError, match=r"code of its own \(auto_map.*never run"):
        load_classifier(unsafe)
    (unsafe / "config.json").write_text(json.dumps(config))
    weights = load_file(unsafe / "model.safetensors")
    save_file(
        {name: tensor for name, tensor in weights.items() if not name.startswith("classifier")},
        unsafe / "model.safetensors",
        {"format": "pt"},
    )
    with pytest.raises(ValueError, match=r"no trained weights for classifier.*classifier fit"):
        load_classifier(unsafe)
    torch.save(weights, unsafe / "pytorch_model.bin")
    (unsafe / "model.safetensors").unlink()
    with pytest.raises(ValueError, match="pickled weights are never loaded"):
        load_classifier(unsafe)
