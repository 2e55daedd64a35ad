"""The words that captions are made of, and the nearest of them to a word that is not."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from functools import cache

from muse.mini.scenes.captions import EMOTION_PHRASES
from muse.mini.scenes.contents import PLACES, SUBJECTS
from muse.mini.scenes.factors import EXPRESSIONS, LIGHTS, POSTURES, PROPS, WEATHERS
from muse.mini.scenes.styles import STYLES

RELATED: dict[str, str] = {
    "aeroplane": "airplane", "animal": "dog", "ant": "beetle", "apple": "pumpkin",
    "bar": "discotheque", "bonfire": "flames", "building": "house", "bus": "car",
    "butterfly": "butterflies", "cave": "canyon", "child": "doll", "donkey": "horse",
    "fly": "flies", "fox": "dog", "garden": "pasture", "glacier": "mountain", "goose": "duck",
    "hill": "mountain", "insect": "beetle", "island": "beach", "leopard": "lion",
    "lizard": "snake", "mountains": "mountain", "ocean": "beach", "owl": "eagle", "pizza": "cake",
    "plant": "rose", "river": "waterfall", "ship": "boat", "sofa": "bench", "stool": "chair",
    "storm": "thunderstorm", "sunset": "dusk", "swan": "duck", "swamp": "pond", "table": "chair",
    "tiger": "lion", "town": "street", "truck": "car", "tulip": "rose", "violin": "guitar",
    "village": "street", "wasp": "bee", "wolf": "dog", "worm": "caterpillar",
}  # fmt: skip
"""Everyday words that captions do not have, and the nearest that they do."""

SHORTEST_MISSPELT = 4
"""Letters of a word that may be a misspelling of a known one."""

GLUE = "the a an and with of there is"


@cache
def sentences() -> tuple[str, ...]:
    """Every phrase that captions are made of."""
    contents = [*PLACES.values(), *SUBJECTS.values()]
    phrases: list[Iterable[str]] = [content.words for content in contents]
    phrases += [light.words for light in LIGHTS.values()]
    phrases += [style.words for style in STYLES.values()]
    for table in (WEATHERS, POSTURES, EXPRESSIONS, PROPS, EMOTION_PHRASES):
        phrases += table.values()
    return (*(phrase for group in phrases for phrase in group), GLUE)


def words(text: str) -> list[str]:
    """The words of a text in lower case, without punctuation."""
    return re.findall(r"\w+", text.lower())


@cache
def known_words() -> frozenset[str]:
    return frozenset(word for sentence in sentences() for word in words(sentence))


def _singulars(word: str) -> list[str]:
    """What the word may be the plural of."""
    endings = (("ies", "y"), ("es", ""), ("s", ""))
    return [word.removesuffix(many) + one for many, one in endings if word.endswith(many)]


def nearest_known(word: str) -> str | None:
    """The known word nearest in meaning or spelling, or None if none is near."""
    lower = word.lower()
    for candidate in (lower, *_singulars(lower)):
        if candidate in known_words():
            return candidate
        if candidate in RELATED:
            return RELATED[candidate]
    # Short words are near to too many others.
    if len(lower) < SHORTEST_MISSPELT:
        return None
    close = difflib.get_close_matches(lower, sorted(known_words()), n=1, cutoff=0.75)
    return close[0] if close else None


def unknown_words(prompt: str) -> dict[str, str | None]:
    """The words of a prompt that no caption has, in order, each with the nearest known one."""
    unknown = (word for word in words(prompt) if word not in known_words())
    return {word: nearest_known(word) for word in unknown}
