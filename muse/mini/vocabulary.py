"""The vocabulary of the embedded model."""

from __future__ import annotations

import difflib
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
    """The words of a text in lower case, without punctuation."""
    return re.findall(r"\w+", text.lower())


@cache
def _known() -> frozenset[str]:
    return frozenset(word for sentence in sentences() for word in words(sentence))


def unknown_words(prompt: str) -> list[str]:
    """The distinct words of a prompt that the embedded model does not know, in order."""
    return list(dict.fromkeys(word for word in words(prompt) if word not in _known()))


SHORTEST_ALIKE = 3
"""Letters of words that may be meant for each other: `on` and `in` are near to too many."""


def nearest_known(word: str) -> str | None:
    """The known word that is spelled most like an unknown one, with the same first letter; None if
    none is alike."""
    if len(word) < SHORTEST_ALIKE:
        return None
    alike = (known for known in _known() if known[0] == word[0] and len(known) >= SHORTEST_ALIKE)
    candidates = sorted(alike)
    # Letters in another order are a slip of the fingers, in short words too.
    for known in candidates:
        if sorted(known) == sorted(word):
            return known
    near = difflib.get_close_matches(word, candidates, n=1, cutoff=0.75)
    return near[0] if near else None


def with_nearest(word: str) -> str:
    """An unknown word, with the known one that may be meant: `dogg (dog?)`."""
    near = nearest_known(word)
    return word if near is None else f"{word} ({near}?)"


def description() -> str:
    """What the embedded model can draw, in one sentence."""
    subjects, places = ", ".join(SUBJECTS), ", ".join(words for words, _ in PLACES.values())
    return (
        f"The embedded model knows {len(SUBJECTS)} subjects ({subjects}) in {len(PLACES)} places "
        f"({places}), as in 'a dog on a beach'; "
        "for anything else give --model a Stable Diffusion folder."
    )
