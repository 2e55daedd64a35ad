"""The embedded weights: loaded by everybody's code, and as good as their card says."""

import json

import pytest
import torch

from jobs.evaluation.cases import Case
from jobs.evaluation.metrics import ROLES, Examiners
from jobs.world.card import HELD_OUT, psnr
from jobs.world.data import draw
from jobs.world.train import round_trip
from muse.classifiers import FolderClassifier
from muse.diffusion.backbones import load_backbone
from muse.emotions import MIKELS
from muse.mini import WEIGHTS
from muse.mini.world.contents import PLACES, SUBJECTS


@pytest.fixture(scope="module")
def held_out():
    """400 scenes, 50 an emotion, from a seed that no training used; and the same after the VAE."""
    pixels, _, labels = draw(HELD_OUT + 1, 400, True)
    places, subjects = list(PLACES), list(SUBJECTS)
    cases = [Case(places[p], subjects[s], MIKELS.labels[e], 0, "") for e, p, s in labels]
    scenes = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255
    vae = load_backbone(WEIGHTS / "diffusion").codec.vae
    return scenes, round_trip(vae, scenes), cases


def test_plain_diffusers_loads_and_runs_it():
    from diffusers import StableDiffusionPipeline

    pipe = StableDiffusionPipeline.from_pretrained(WEIGHTS / "diffusion")
    pipe.set_progress_bar_config(disable=True)
    (image,) = pipe(
        "a dog on a beach", num_inference_steps=4, generator=torch.Generator().manual_seed(0)
    ).images
    assert image.size == (64, 64)


def test_the_weights_are_small_and_never_a_pickle():
    files = [file for file in WEIGHTS.rglob("*") if file.is_file()]
    assert sum(file.stat().st_size for file in files if file.suffix == ".safetensors") <= 40e6
    assert {file.suffix for file in files} <= {".safetensors", ".json", ".txt"}


def test_guide_judge_and_examiner_are_different_architectures():
    kinds = {
        json.loads((WEIGHTS / role / "config.json").read_text())["model_type"] for role in ROLES
    }
    assert len(kinds) == 3


def test_the_classifiers_know_the_world(held_out):
    scenes, again, cases = held_out
    examiners = Examiners(WEIGHTS)
    drawn, decoded = examiners.measure(scenes, cases), examiners.measure(again, cases)
    for role in ROLES:
        assert drawn[f"success_{role}"].mean() >= 0.95
        # Unmoved by the VAE: 400 scenes have a deviation of about 1 point at 97 %.
        assert decoded[f"success_{role}"].mean() >= drawn[f"success_{role}"].mean() - 0.03
    for name in ("place", "subject"):
        assert drawn[name].mean() >= 0.95


def test_the_vae_gives_a_scene_back(held_out):
    scenes, again, _ = held_out
    assert psnr(scenes, again) >= 28.0


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
