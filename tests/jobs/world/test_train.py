"""The training of the embedded model, from nothing to files that load, at a step a stage."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import typer

from jobs.world import measure, samples, train
from jobs.world.models import LATENT_CHANNELS, LATENT_SIDE
from jobs.world.recipe import Recipe
from muse.classifiers import load_classifier
from muse.classifiers.clip import ClipSimilarity
from muse.diffusion.backbones import load_backbone
from muse.emotions import MIKELS

SMALL = Recipe(
    scenes=64,
    vae_steps=1,
    diffusion_steps=1,
    classifier_scenes=96,
    content_steps=1,
    clip_steps=1,
    tiny_vae_scenes=64,
    tiny_vae_steps=1,
)


def test_checkpoints_of_another_share_of_displaced_contents_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(train, "RECIPE", SMALL)
    monkeypatch.setattr(train, "MAKERS", {"guide": lambda *_: None})
    train.main(train.Stage.GUIDE, tmp_path, displaced=0.35, threads=1)
    with pytest.raises(typer.BadParameter, match="checkpoints of another recipe"):
        train.main(train.Stage.GUIDE, tmp_path, displaced=0.5, threads=1)


def test_every_stage_has_what_it_trains():
    others = {"vae", "diffusion", "export"}
    assert {stage.value for stage in train.Stage} == {*train.MAKERS, *others}


def test_make_train_runs_every_stage_and_exports_last():
    makefile = Path(__file__).resolve().parents[3] / "Makefile"
    (stages,) = re.findall(r"^STAGES := (.*)$", makefile.read_text(), re.MULTILINE)
    assert sorted(stages.split()) == sorted(train.Stage)
    assert stages.endswith(train.Stage.EXPORT)


@pytest.mark.research
@pytest.mark.timeout(900)
def test_all_stages_end_with_files_that_load_and_are_measured(tmp_path, monkeypatch):
    short = {name: replace(role, steps=1) for name, role in train.ROLES.items()}
    monkeypatch.setattr(train, "ROLES", short)
    monkeypatch.setattr(train, "RECIPE", SMALL)
    work, out = tmp_path / "work", tmp_path / "out"
    train.main(train.Stage.EXPORT, work, out, threads=1)
    backbone = load_backbone(out / "diffusion")
    pixels = torch.rand(2, 3, 128, 128)
    with torch.inference_mode():
        latents = backbone.codec.encode(pixels)
        assert latents.shape == (2, LATENT_CHANNELS, LATENT_SIDE, LATENT_SIDE)
        assert backbone.codec.decode_draft(latents).shape == pixels.shape
        for name in ("guide", "judge", "examiner"):
            probs = load_classifier(out / name, MIKELS).probs(pixels)
            assert probs.p.shape == (2, 8)
            assert probs.multi_label == (name == "judge")
        for name in ("clip", "content-clip"):
            similarity = ClipSimilarity.from_pretrained(out / name)
            assert similarity.image(pixels).isfinite().all()
    kept = json.loads((out / "recipe.json").read_text())
    assert kept["scenes"] == SMALL.scenes
    assert kept["displaced"] == train.DISPLACED
    figures = measure.measure(out, count=8, guidance=4.0)
    assert figures.keys() == {"scenes", "plain", "words", "factors"}
    for values in figures.values():
        assert all(0 <= values[name] <= 1 for name in ("examiner", "place", "subject", "right"))
    # Checkpoints give samples before the export, too.
    (picture,) = samples.generate(samples.load_unfinished(work), ["a cat"], [1], steps=2)
    assert picture.size == (128, 128)
