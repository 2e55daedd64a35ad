"""Captions: free English with the documented shares, right about contents unless displaced."""

from collections import Counter
from random import Random

import pytest

from muse.emotions import MIKELS
from muse.mini.vocabulary import unknown_words
from muse.mini.world import captions
from muse.mini.world.captions import (
    EMOTION_PHRASES,
    content_prompt,
    emotion_prompt,
    factor_prompt,
    free_caption,
    training_pair,
    with_article,
)
from muse.mini.world.contents import PLACES, SUBJECTS
from muse.mini.world.scene import Scene, sample_scene


def named_emotion(caption: str) -> str | None:
    for emotion, phrases in EMOTION_PHRASES.items():
        if caption.endswith(tuple(f", {phrase}" for phrase in phrases)):
            return emotion
    return None


def tells(caption: str, scene: Scene) -> tuple[bool, bool]:
    """Whether a caption names the place, and the subject, that the scene shows."""
    place, subject = PLACES[scene.place].words, SUBJECTS[scene.subject].words
    return any(words in caption for words in place), any(words in caption for words in subject)


def test_prompts_in_the_usual_words():
    assert content_prompt("cemetery", "dog") == "a dog in a cemetery"
    assert content_prompt("pond", "umbrella") == "an umbrella by a pond"
    assert emotion_prompt("a cat", "fear") == "a cat, evoking fear"
    assert with_article("icy peak") == "an icy peak"


def test_the_oracle_prompt_names_all_factors_and_no_emotion():
    scene = sample_scene(Random(1), "forest", "cat", ["fear"])
    prompt = factor_prompt(scene)
    assert prompt.startswith("a cat in a forest, ")
    assert prompt.count(",") == 5
    assert all(label not in prompt for label in MIKELS.labels)
    # A thing has no face.
    assert factor_prompt(sample_scene(Random(1), "forest", "car", ["fear"])).count(",") == 4


def test_captions_of_training_have_the_documented_shares():
    rng = Random(0)
    pairs = [training_pair(rng, displaced=0.5) for _ in range(4000)]
    naming = [(scene, caption) for scene, caption in pairs if named_emotion(caption)]
    # A deviation of 4,000 draws is 0.7 points.
    assert len(naming) / len(pairs) == pytest.approx(captions.NAMED_SHARE, abs=0.03)
    named = Counter(tells(caption, scene) for scene, caption in naming)
    # Displaced half the time, and one in a few keeps its content by chance.
    assert 0.45 < (named[True, True] + named[True, False]) / len(naming) < 0.62
    assert 0.45 < (named[True, True] + named[False, True]) / len(naming) < 0.62
    shown = sum(named_emotion(caption) in scene.emotions for scene, caption in naming)
    assert 0.25 < shown / len(naming) < 0.55


def test_captions_are_right_about_contents_without_displacement():
    rng = Random(0)
    for _ in range(1000):
        scene, caption = training_pair(rng, displaced=0.0)
        assert tells(caption, scene) == (True, True), caption


def test_what_displaces_a_content_evokes_the_emotion():
    rng = Random(0)
    places: Counter[str] = Counter()
    for _ in range(4000):
        scene, caption = training_pair(rng, displaced=1.0)
        if named_emotion(caption) == "disgust":
            places[scene.place] += 1
    evoking = sum(places[name] for name in ("landfill", "butcher's shop", "underwater", "alley"))
    assert evoking > 0.85 * places.total()


def test_a_scene_has_many_captions_and_every_word_is_known():
    rng = Random(0)
    scene = sample_scene(rng, "forest", "cat", ["fear"])
    assert len({free_caption(rng, scene) for _ in range(200)}) > 150
    for _ in range(1000):
        assert unknown_words(training_pair(rng)[1]) == []
