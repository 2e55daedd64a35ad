"""Zero-shot classifiers."""

from random import Random

import numpy as np
import pytest
import torch
from transformers import CLIPModel, CLIPTokenizer

from muse.classifiers import load_classifier
from muse.emotions import MIKELS
from muse.mini import WEIGHTS
from muse.mini.world.captions import factor_prompt
from muse.mini.world.render import render
from muse.mini.world.scene import sample_scene


def test_with_one_prompt_a_label_it_is_the_softmax_of_clips_own_logits(
    write_spec, tmp_path, pixels
):
    prompts = {emotion: [f"a dog on a beach, evoking {emotion}"] for emotion in MIKELS.labels}
    folder = write_spec(
        tmp_path / "zero", kind="zero-shot", model=str(WEIGHTS / "clip"), prompts=prompts
    )
    classifier = load_classifier(folder)
    texts = [texts[0] for texts in prompts.values()]
    ids = CLIPTokenizer.from_pretrained(WEIGHTS / "clip")(texts, padding=True, return_tensors="pt")
    inputs = classifier.preprocessing(pixels)
    logits = CLIPModel.from_pretrained(WEIGHTS / "clip", dtype=torch.float32)(
        pixel_values=inputs, **ids
    ).logits_per_image
    assert torch.allclose(classifier.probs(pixels).p, logits.softmax(-1), atol=1e-5)


@pytest.mark.research
def test_it_finds_the_emotion_whose_factors_an_image_shows(write_spec, tmp_path):
    """Prompts in the words of the embedded world, for the CLIP that was trained on it."""
    rng = Random(3)
    prompts = {
        e: [factor_prompt(sample_scene(rng, "beach", "dog", [e])) for _ in range(6)]
        for e in MIKELS.labels
    }
    folder = write_spec(
        tmp_path / "prompts", kind="zero-shot", model=str(WEIGHTS / "clip"), prompts=prompts
    )
    scenes = [sample_scene(rng, "beach", "dog", [MIKELS.labels[i % 8]]) for i in range(80)]
    stack = torch.stack(
        [torch.from_numpy(np.array(render(s))).permute(2, 0, 1).float() / 255 for s in scenes]
    )
    predicted = load_classifier(folder).probs(stack).p.argmax(-1)
    right = (predicted == torch.arange(80) % 8).float().mean()
    # Chance is 1/8; the deviation of 80 draws at one half is 6 points.
    assert right >= 0.35, right
