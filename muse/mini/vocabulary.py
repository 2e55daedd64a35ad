"""The words that the embedded model was taught."""

from __future__ import annotations

import re
from functools import cache

from muse.emotions import MIKELS
from muse.mini.world.contents import PLACES, SUBJECTS
from muse.mini.world.factors import LIGHTS, PROPS, SKIES
from muse.mini.world.scenes import content_prompt, emotion_prompt


@cache
def sentences() -> tuple[str, ...]:
    """Every fragment that captions are made of."""
    prompts = [content_prompt(place, subject) for place in PLACES for subject in SUBJECTS]
    moods = [emotion_prompt("an", emotion) for emotion in MIKELS.labels]
    return (
        *prompts,
        *(light.words for light in LIGHTS.values()),
        *SKIES.values(),
        *PROPS.values(),
        *moods,
        "with and",
    )


def words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


@cache
def _known() -> frozenset[str]:
    return frozenset(word for sentence in sentences() for word in words(sentence))


def unknown_words(prompt: str) -> list[str]:
    """The words of a prompt that mean nothing to the embedded model, in their order, each once."""
    return list(dict.fromkeys(word for word in words(prompt) if word not in _known()))


def told() -> str:
    """What the embedded model knows, in one sentence."""
    return (
        f"The embedded model knows {len(SUBJECTS)} subjects ({', '.join(SUBJECTS)}) in {len(PLACES)} places "
        f"({', '.join(at for at, _ in PLACES.values())}), as in 'a dog on a beach'; "
        "give --model a Stable Diffusion folder for anything else."
    )
