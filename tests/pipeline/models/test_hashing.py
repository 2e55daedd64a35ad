"""Hashes follow content: of a model with what describes it, and of classifiers' weights."""

import shutil

import pytest
import torch
from safetensors.torch import save_file

from muse.classifiers.spec import read_spec
from muse.mini import WEIGHTS
from pipeline.models.hashing import hash_model, hash_weights


@pytest.fixture
def copy(tmp_path):
    return shutil.copytree(WEIGHTS / "guide", tmp_path / "copy")


def test_a_copy_has_the_same_hash_and_any_changed_file_another(copy):
    original = hash_model(WEIGHTS / "guide", classifier=True)
    assert hash_model(copy, classifier=True) == original
    config = copy / "config.json"
    config.write_text(config.read_text() + " ")
    assert hash_model(copy, classifier=True) != original


def test_settings_do_not_change_the_hash_of_weights_and_weights_do(copy):
    original = hash_weights(read_spec(WEIGHTS / "guide"))
    config = copy / "config.json"
    config.write_text(config.read_text() + " ")
    assert hash_weights(read_spec(copy)) == original
    assert hash_weights(read_spec(WEIGHTS / "judge")) != original


def test_a_single_file_is_hashed_with_the_folder_that_describes_it(tmp_path):
    file = tmp_path / "vae.safetensors"
    save_file({"w": torch.ones(2)}, file)
    alone = hash_model(file, classifier=False)
    (tmp_path / "vae").mkdir()
    (tmp_path / "vae" / "config.json").write_text("{}")
    assert hash_model(file, classifier=False) != alone
