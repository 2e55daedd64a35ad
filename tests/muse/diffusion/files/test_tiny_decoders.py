"""A tiny decoder is found by the kind of its model; where there is none, its cost is told."""

import json

import pytest

from muse.diffusion.files import tiny_decoders
from muse.diffusion.files.hub import NotOnThisMachine, local_folder
from muse.diffusion.files.model_files import FAMILIES
from muse.diffusion.files.tiny_decoders import absence_warnings, candidates, kind_of
from muse.mini import WEIGHTS


@pytest.fixture
def cached(monkeypatch):
    """Names of the decoders that the local cache of the hub holds; the cache itself is not read."""
    names: set[str] = set()

    def local_folder(name, download):
        assert not download
        if name not in names:
            raise NotOnThisMachine("it is not on this machine yet")

    monkeypatch.setattr(tiny_decoders, "local_folder", local_folder)
    return names


@pytest.fixture
def model(tmp_path):
    """The index of Stable Diffusion XL; no part is looked at but the VAE's configuration."""
    folder = tmp_path / "dream"
    (folder / "vae").mkdir(parents=True)
    index = {"_class_name": "StableDiffusionXLPipeline", "vae": ["diffusers", "AutoencoderKL"]}
    (folder / "model_index.json").write_text(json.dumps(index))
    return folder


def test_every_family_has_its_kind():
    assert FAMILIES.keys() <= tiny_decoders.KINDS.keys()


def test_a_folder_beside_the_model_comes_before_the_cache(model, cached):
    assert kind_of(model) == "taesdxl"
    assert candidates(model) == []
    cached.add("madebyollin/taesdxl")
    assert candidates(model) == ["madebyollin/taesdxl"]
    beside = model.parent / "taesdxl"
    beside.mkdir()
    assert candidates(model) == ["madebyollin/taesdxl"], "an empty folder is no decoder"
    (beside / "config.json").write_text("{}")
    assert candidates(model) == [str(beside), "madebyollin/taesdxl"]


def test_beside_a_link_to_a_model_is_beside_the_link(model, cached, tmp_path):
    """Or, where there is none, beside the model itself."""
    link = tmp_path / "shelf" / "dream"
    link.parent.mkdir()
    link.symlink_to(model)
    for beside in (model.parent / "taesdxl", link.parent / "taesdxl"):
        assert str(beside) not in candidates(local_folder(str(link)))
        beside.mkdir()
        (beside / "config.json").write_text("{}")
        assert candidates(local_folder(str(link))) == [str(beside)]


def test_what_a_model_brings_itself_is_enough(model, cached):
    cached.add("madebyollin/taesdxl")
    (model / "tiny_vae").mkdir()
    assert candidates(model) == []
    assert absence_warnings(model, "") == []
    assert absence_warnings(WEIGHTS / "diffusion", "") == []


def test_the_absence_is_told_with_its_cost_and_the_remedy(model, cached):
    (told,) = absence_warnings(model, "")
    assert absence_warnings(model, "none") == absence_warnings(model, "owner/name") == []
    assert "no tiny decoder (taesdxl)" in told
    assert "1.4 to 3.4 times the memory" in told
    assert 'tiny_vae = "madebyollin/taesdxl"' in told
    assert "the folder taesdxl/ beside the model" in told
    cached.add("madebyollin/taesdxl")
    assert absence_warnings(model, "") == []


def test_latents_of_their_own_have_no_known_decoder(model, cached):
    (model / "vae" / "config.json").write_text('{"latents_mean": [0.0, 0.0, 0.0, 0.0]}')
    assert kind_of(model) is None
    assert absence_warnings(model, "") == []
    assert kind_of(model.parent / "nothing") is None
