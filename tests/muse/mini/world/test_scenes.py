"""The embedded world: what it shows, and that it is the same every time."""

import hashlib
import os
import subprocess
import sys
from collections import Counter
from random import Random

import numpy as np
import pytest

from jobs.world.models import learn_merges
from muse.emotions import MIKELS
from muse.mini.vocabulary import sentences, told, unknown_words, words
from muse.mini.world import props, skies
from muse.mini.world.contents import PLACES, SUBJECTS, inherent, leaning
from muse.mini.world.factors import LIGHTS, MOODS, PROPS, SKIES
from muse.mini.world.scenes import (
    Scene,
    emotion_prompt,
    factor_prompt,
    render,
    sample_scene,
    training_pair,
)


def test_the_world_is_as_large_as_it_says():
    assert len(PLACES) >= 12
    assert len(SUBJECTS) >= 16
    assert set(MOODS) == set(MIKELS.labels)


@pytest.mark.parametrize(
    ("place", "emotion"),
    [
        ("cemetery", "sadness"),
        ("landfill", "disgust"),
        ("pond", "contentment"),
        ("boxing ring", "anger"),
    ],
)
def test_contents_lean_as_emosets_annotators_said(place, emotion):
    assert Counter(leaning(place, subject) for subject in SUBJECTS).most_common(1)[0][0] == emotion
    for subject in SUBJECTS:
        probs = inherent(place, subject)
        assert sum(probs) == pytest.approx(1)
        assert min(probs) >= 0.01


def test_moods_are_distributions_that_overlap():
    for mood in MOODS.values():
        for probs, known in ((mood.lights, LIGHTS), (mood.skies, SKIES), (mood.props, PROPS)):
            assert sum(probs.values()) == pytest.approx(1)
            assert set(probs) <= set(known)
    shared: dict[str, set[str]] = {}
    for scale in ("lights", "skies", "props"):
        holders = Counter(factor for mood in MOODS.values() for factor in getattr(mood, scale))
        shared[scale] = {factor for factor, count in holders.items() if count > 1}
        assert len(shared[scale]) >= 3
    for emotion, mood in MOODS.items():
        assert any(shared[scale] & getattr(mood, scale).keys() for scale in shared), (
            f"{emotion} shares nothing"
        )


def test_every_factor_can_be_drawn():
    drawn = set(props.AROUND) | set(props.GROUND) | set(props.GLOWING)
    assert drawn == set(PROPS)
    assert set(skies.BEHIND) | set(skies.BEFORE) | {"clear"} == set(SKIES)


def _digest_of_a_scene() -> str:
    scene = Scene("pond", "duck", "contentment", "golden", "clouds", ("flowers", "butterflies"), 7)
    pixels = np.asarray(render(scene))
    assert pixels.shape == (64, 64, 3)
    return hashlib.sha256(pixels).hexdigest()


def test_a_scene_gives_the_same_pixels_every_time_and_in_every_process():
    """The other process hashes strings by another seed, so that sets come in another order there."""
    digest = _digest_of_a_scene()
    assert digest == _digest_of_a_scene()
    name = _digest_of_a_scene.__name__
    program = f"from tests.muse.mini.world.test_scenes import {name}; print({name}())"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONHASHSEED": "1"}
    told = subprocess.run(
        [sys.executable, "-c", program],
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert told.stdout.strip() == digest, told.stderr


def test_every_part_of_a_scene_shows():
    scene = Scene("pond", "duck", "contentment", "golden", "clouds", ("flowers", "butterflies"), 7)
    base = np.asarray(render(scene), np.int16)
    from dataclasses import replace

    for change in (
        {"place": "street"},
        {"subject": "skull"},
        {"light": "night"},
        {"sky": "rain"},
        {"props": ("flames", "bats")},
    ):
        assert np.abs(np.asarray(render(replace(scene, **change)), np.int16) - base).mean() > 1.5


def test_captions_seldom_name_the_emotion_and_often_its_factors():
    rng = Random(0)
    captions = [training_pair(rng)[1] for _ in range(4000)]
    named = sum(
        any(f"evoking {e}" in caption for e in MIKELS.labels) for caption in captions
    ) / len(captions)
    factors = sum(
        any(light.words in caption for light in LIGHTS.values()) for caption in captions
    ) / len(captions)
    # 12 % and about 42 % by construction; 4,000 draws have a deviation below 0.8 points.
    assert 0.09 < named < 0.15
    assert 0.36 < factors < 0.48


def test_the_oracle_prompt_names_factors_and_no_emotion():
    scene = sample_scene(Random(1), "forest", "cat", "fear")
    told = factor_prompt(scene)
    assert LIGHTS[scene.light].words in told
    assert all(label not in told for label in MIKELS.labels)
    assert emotion_prompt("a cat", "fear") == "a cat, evoking fear"


def test_unknown_words_are_named():
    assert unknown_words("a dog on a beach, at night, evoking fear") == []
    assert unknown_words("A zebra in the dog's kitchen") == ["zebra", "the", "s", "kitchen"]
    assert "dog" in told()
    assert "in a cemetery" in told()


def test_every_word_of_the_world_is_one_token(tokenizer):
    for sentence in sentences():
        assert len(tokenizer.tokenize(sentence)) == len(words(sentence)) + sentence.count(",")


def test_tokens_are_the_same_every_time():
    merges = learn_merges(sentences())
    assert merges == learn_merges(tuple(reversed(sentences())))
    assert len(set(merges)) == len(merges)
