"""Prompts of generated pictures."""

from random import Random

import pytest

from jobs.world.samples import ARMS, prompt_of
from muse.mini.world.scene import sample_scene


@pytest.mark.parametrize(
    ("arm", "start", "has_emotion"),
    [("plain", "a cat in a forest", False), ("words", "a cat in a forest, evoking fear", True),
     ("factors", "a cat in a forest, ", False)],
)  # fmt: skip
def test_prompts_name_the_content_and_what_the_arm_adds(arm, start, has_emotion):
    scene = sample_scene(Random(1), "forest", "cat", ["fear"])
    prompt = prompt_of(arm, scene)
    assert prompt.startswith(start)
    assert ("evoking fear" in prompt) == has_emotion
    assert len({prompt_of(name, scene) for name in ARMS}) == len(ARMS)
