"""Classifier folders that must not be loaded."""

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForImageClassification

from muse.classifiers import FolderClassifier, load_classifier
from muse.classifiers.folder import check_weights
from muse.emotions import MIKELS
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


def test_a_classifier_of_other_labels_is_refused_with_both_lists():
    with pytest.raises(ValueError, match=r"cemetery.*are not those of mikels-8.*amusement"):
        FolderClassifier.from_pretrained(WEIGHTS / "place")


def test_a_folder_without_safetensors_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"has no config\.json"):
        FolderClassifier.from_pretrained(tmp_path)
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ValueError, match="pickled weights are never loaded"):
        FolderClassifier.from_pretrained(tmp_path)


def test_labels_are_matched_by_name_not_by_position():
    guide = FolderClassifier.from_pretrained(WEIGHTS / "guide")
    pixels = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    shuffled = tuple(reversed(MIKELS.labels))
    reordered = FolderClassifier(guide.model, guide.preprocessing, shuffled, MIKELS)
    assert torch.equal(reordered.logits(pixels), guide.logits(pixels).flip(-1))


def test_weights_that_are_missing_or_of_other_shapes_are_found_by_their_headers(tmp_path):
    folder = shutil.copytree(WEIGHTS / "guide", tmp_path / "guide")
    check_weights(AutoModelForImageClassification, folder)
    weights = load_file(folder / "model.safetensors")
    cut = weights | {"classifier.1.bias": weights["classifier.1.bias"][:5].clone()}
    save_file(cut, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(ValueError, match=r"guide has 1 of .*classifier.1.bias is 5 instead of 8"):
        check_weights(AutoModelForImageClassification, folder)
    del weights["classifier.1.bias"]
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(
        ValueError, match=r"no trained weights for classifier.1.bias: .*`muse-batch"
    ):
        check_weights(AutoModelForImageClassification, folder)
