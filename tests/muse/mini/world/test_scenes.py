"""Scenes: rendering is deterministic, and captions have the documented shares."""

import hashlib
import os
import subprocess
import sys
from dataclasses import replace
from random import Random

import numpy as np

from muse.emotions import MIKELS
from muse.mini.world.factors import LIGHTS
from muse.mini.world.scenes import (
    Scene,
    emotion_prompt,
    factor_prompt,
    render,
    sample_scene,
    training_pair,
)


def _digest_of_a_scene() -> str:
    scene = Scene("pond", "duck", "contentment", "golden", "clouds", ("flowers", "butterflies"), 7)
    pixels = np.asarray(render(scene))
    assert pixels.shape == (64, 64, 3)
    return hashlib.sha256(pixels).hexdigest()


def test_a_scene_gives_the_same_pixels_every_time_and_in_every_process():
    """The other process hashes strings with another seed, which changes the order of sets."""
    digest = _digest_of_a_scene()
    assert digest == _digest_of_a_scene()
    name = _digest_of_a_scene.__name__
    program = f"from tests.muse.mini.world.test_scenes import {name}; print({name}())"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONHASHSEED": "1"}
    other = subprocess.run(
        [sys.executable, "-c", program],
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert other.stdout.strip() == digest, other.stderr


def test_every_part_of_a_scene_shows():
    scene = Scene("pond", "duck", "contentment", "golden", "clouds", ("flowers", "butterflies"), 7)
    base = np.asarray(render(scene), np.int16)
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
    prompt = factor_prompt(scene)
    assert LIGHTS[scene.light].words in prompt
    assert all(label not in prompt for label in MIKELS.labels)
    assert emotion_prompt("a cat", "fear") == "a cat, evoking fear"
