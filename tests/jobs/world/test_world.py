"""The training of the embedded model from nothing to files that load, at one step per stage."""

import json

import numpy as np
import pytest
import torch
import typer

from jobs.world import card, classifiers, data, recipe, tiny_vae, train
from muse.classifiers import load_classifier
from muse.classifiers.clip import ClipSimilarity
from muse.diffusion.backbones import load_backbone
from muse.emotions import MIKELS

SMALL = recipe.Recipe(
    scenes=64,
    vae_steps=1,
    decoder_steps=1,
    diffusion_steps=1,
    classifier_scenes=64,
    content_steps=1,
    clip_steps=1,
    clip_batch=8,
    tiny_vae_scenes=64,
    tiny_vae_steps=1,
)


def test_checkpoints_of_another_recipe_are_refused(tmp_path):
    recipe.keep_recipe(SMALL, tmp_path)
    recipe.keep_recipe(SMALL, tmp_path)
    with pytest.raises(typer.BadParameter, match="checkpoints of another recipe"):
        recipe.keep_recipe(recipe.Recipe(), tmp_path)


def test_every_other_latent_is_blended_with_its_neighbour():
    latents = torch.arange(6.0).view(6, 1, 1, 1).expand(6, 2, 2, 2)
    blended = tiny_vae.blend_half(latents, torch.Generator().manual_seed(0))
    assert torch.equal(blended[::2], latents[::2])
    assert (blended[1::2] != latents[1::2]).all()


def test_degraded_pixels_keep_their_range_and_follow_their_seed():
    pixels = torch.rand(16, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    one, again, other = (
        classifiers.degrade(pixels, torch.Generator().manual_seed(seed)) for seed in (2, 2, 3)
    )
    assert one.shape == pixels.shape
    assert 0 <= float(one.min()) <= float(one.max()) <= 1
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


def test_the_signal_to_noise_ratio_is_that_of_a_known_error():
    pixels = torch.full((2, 3, 4, 4), 0.5)
    assert card.psnr(pixels, pixels + 0.1) == pytest.approx(20, abs=1e-3)


@pytest.mark.research
@pytest.mark.timeout(900)
def test_all_stages_end_with_files_that_load(tmp_path, monkeypatch):
    short = {name: (kind, seed, 1) for name, (kind, seed, _) in recipe.CLASSIFIERS.items()}
    monkeypatch.setattr(train, "CLASSIFIERS", short)
    monkeypatch.setattr(train, "Recipe", lambda **_: SMALL)
    work, out = tmp_path / "work", tmp_path / "out"
    train.main(work, out, threads=1)
    monkeypatch.setattr(tiny_vae, "Recipe", lambda: SMALL)
    tiny_vae.main(tmp_path / "tiny", out, threads=1)
    backbone = load_backbone(out / "diffusion")
    classifier = load_classifier(out / "guide", MIKELS)
    similarity = ClipSimilarity.from_pretrained(out / "clip")
    pixels, _, _ = data.draw(1, 8, True)
    scenes = torch.from_numpy(np.ascontiguousarray(pixels)).permute(0, 3, 1, 2).float() / 255
    with torch.inference_mode():
        assert classifier.probs(scenes).p.sum(1).allclose(torch.ones(8))
        assert similarity.image(scenes).isfinite().all()
        latents = backbone.codec.encode(scenes)
        assert backbone.codec.decode_draft(latents).shape == scenes.shape
    assert json.loads((out / "recipe.json").read_text())["scenes"] == 64
