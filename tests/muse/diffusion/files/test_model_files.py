"""What a model folder holds is known from its names and settings; nothing is loaded."""

import json

import pytest

from muse.diffusion.backbones import FAMILIES
from muse.diffusion.files.model_files import FAMILIES as NETWORKS
from muse.diffusion.files.model_files import STEMS, ModelFolder, dangling_problem, variant_of


def test_the_families_are_those_that_have_a_backbone():
    assert NETWORKS.keys() == FAMILIES.keys()


@pytest.mark.parametrize(
    ("names", "library", "variant"),
    [
        (["diffusion_pytorch_model.safetensors"], "diffusers", None),
        (["diffusion_pytorch_model.fp16.safetensors"], "diffusers", "fp16"),
        (["model.fp16.safetensors", "model.safetensors"], "transformers", None),
        (["model.fp16.safetensors", "model.bf16.safetensors"], "transformers", "bf16"),
        (["model.safetensors.index.fp16.json"], "transformers", "fp16"),
        (["diffusion_pytorch_model.safetensors.index.json"], "diffusers", None),
        (["model.safetensors", "pytorch_model.bin"], "transformers", None),
    ],
)
def test_plain_weights_come_first_then_the_most_exact_variant(tmp_path, names, library, variant):
    for name in names:
        (tmp_path / name).touch()
    assert variant_of(tmp_path, library) == variant


@pytest.mark.parametrize(
    ("name", "library", "problem"),
    [
        ("pytorch_model.bin", "transformers", r"pytorch_model.bin is pickled.*convert it"),
        ("model.safetensors", "diffusers", r"no weights that diffusers reads \(but model"),
        ("diffusion_pytorch_model.non_ema.safetensors", "diffusers", "non_ema"),
        ("model-00001-of-00002.safetensors", "transformers", "no weights that transformers reads"),
    ],
)
def test_weights_that_cannot_be_read_are_reported_with_what_is_there(
    tmp_path, name, library, problem
):
    (tmp_path / name).touch()
    with pytest.raises(ValueError, match=problem):
        variant_of(tmp_path, library)


def test_a_link_of_weights_that_leads_nowhere_is_told_from_missing_weights(tmp_path):
    part = tmp_path / "unet"
    part.mkdir()
    assert dangling_problem(part) is None
    (part / "diffusion_pytorch_model.safetensors").symlink_to("../../blobs/3f2a")
    told = r"unet/diffusion_pytorch_model.safetensors is a link to ../../blobs/3f2a, which is not"
    with pytest.raises(ValueError, match=told):
        variant_of(part)
    # Beside weights that are there, no one needs it.
    (part / "diffusion_pytorch_model.fp16.safetensors").touch()
    assert variant_of(part) == "fp16"


@pytest.mark.parametrize(("library", "stem"), STEMS.items())
@pytest.mark.parametrize(("whole", "index"), [("", ".fp16"), (".fp16", "")])
def test_an_index_without_its_shards_is_left_over_beside_another_variant(
    tmp_path, library, stem, whole, index
):
    left = tmp_path / f"{stem}.safetensors.index{index}.json"
    shard = f"{stem}{index}-00001-of-00002.safetensors"
    left.write_text(json.dumps({"weight_map": {"a": shard, "b": "other.safetensors"}}))
    assert variant_of(tmp_path, library) == (index[1:] or None)
    (tmp_path / f"{stem}{whole}.safetensors").touch()
    assert variant_of(tmp_path, library) == (whole[1:] or None)
    # With a part of the shards it is an incomplete copy, and plain weights are preferred.
    (tmp_path / shard).touch()
    assert variant_of(tmp_path, library) is None


def test_files_of_variants_that_are_not_loaded_are_unread(tmp_path):
    (tmp_path / "unet").mkdir()
    folder = ModelFolder(tmp_path, "", {"unet": ("diffusers", "UNet2DConditionModel")}, ())
    plain, fp16 = (f"{STEMS['diffusers']}{mark}.safetensors" for mark in ("", ".fp16"))
    # Without weights that can be read nothing is left aside.
    assert not folder.is_unread("unet", fp16)
    (tmp_path / "unet" / plain).touch()
    unread = (
        fp16,
        f"{STEMS['diffusers']}.safetensors.index.fp16.json",
        f"{STEMS['diffusers']}.fp16-00001-of-00002.safetensors",
        f"{STEMS['diffusers']}-00001-of-00002.fp16.safetensors",
    )
    assert all(folder.is_unread("unet", name) for name in unread)
    read = (plain, f"{STEMS['diffusers']}.safetensors.index.json", "config.json", "x.safetensors")
    assert not any(folder.is_unread("unet", name) for name in read)
