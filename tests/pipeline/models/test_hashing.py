"""Hashes follow content: of a model with what describes it, and of classifiers' weights."""

import shutil

import pytest
import torch
from safetensors.torch import save_file

from muse.classifiers.spec import read_spec
from muse.mini import WEIGHTS
from pipeline.models.hashing import hash_model, hash_weights, sample_file
from pipeline.storage.files import sha256_file


@pytest.fixture
def copy(tmp_path):
    return shutil.copytree(WEIGHTS / "guide", tmp_path / "copy")


def test_a_copy_has_the_same_hash_and_any_changed_file_another(copy):
    original = hash_model(WEIGHTS / "guide", "guide")
    assert hash_model(copy, "guide") == original
    config = copy / "config.json"
    config.write_text(config.read_text() + " ")
    assert hash_model(copy, "guide") != original


def test_settings_do_not_change_the_hash_of_weights_and_weights_do(copy):
    original = hash_weights(read_spec(WEIGHTS / "guide"))
    config = copy / "config.json"
    config.write_text(config.read_text() + " ")
    assert hash_weights(read_spec(copy)) == original
    assert hash_weights(read_spec(WEIGHTS / "judge")) != original


def test_a_single_file_is_hashed_with_the_folder_that_describes_it(tmp_path):
    file = tmp_path / "vae.safetensors"
    save_file({"w": torch.ones(2)}, file)
    alone = hash_model(file, "vae")
    (tmp_path / "vae").mkdir()
    (tmp_path / "vae" / "config.json").write_text("{}")
    assert hash_model(file, "vae") != alone


def test_what_lies_beside_the_parts_of_a_diffusion_model_is_not_hashed(tmp_path):
    """A page about it, say, or all its parts in one file, which is never read."""
    model = shutil.copytree(WEIGHTS / "diffusion", tmp_path / "model")
    original, hashed = hash_model(model, "model"), []
    (model / "v1-5-pruned.safetensors").write_bytes(b"all")
    (model / "README.md").write_text("about it")
    (model / ".cache").mkdir()
    (model / ".cache" / "f.metadata").write_text("x")
    (model / "v1-5-pruned.ckpt").write_bytes(b"all")

    def sha256(path):
        hashed.append(path.name)
        return sha256_file(path)

    assert hash_model(model, "model", sha256) == original
    assert not any(name.startswith("v1-5-pruned") for name in hashed)
    # In any other folder, weights are what is read.
    assert hash_model(model, "lora 0") != original
    (model / "unet").rename(tmp_path / "unet")
    (model / "unet").symlink_to(tmp_path / "unet")
    assert hash_model(model, "model") == original
    (tmp_path / "unet" / "config.json").write_text("{}")
    assert hash_model(model, "model") != original
    (model / "unet" / "config.json").write_text("{}")
    assert hash_model(model, "model") != original


def test_a_sample_of_a_file_tells_it_from_one_of_the_same_size(tmp_path):
    one, copy, other = (tmp_path / name for name in ("one", "copy", "other"))
    content = bytearray(3 * (1 << 20))
    one.write_bytes(content)
    copy.write_bytes(content)
    content[-1] = 1
    other.write_bytes(content)
    assert sample_file(one) == sample_file(copy) != sample_file(other)
    other.write_bytes(content[1:])
    assert sample_file(one) != sample_file(other)
