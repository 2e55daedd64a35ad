"""The words that captions are made of, and the nearest of them to a word that is not."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import cache

from muse.mini.world.captions import EMOTION_PHRASES
from muse.mini.world.contents import PLACES, SUBJECTS
from muse.mini.world.factors import EXPRESSIONS, LIGHTS, POSTURES, PROPS, WEATHERS
from muse.mini.world.styles import STYLES

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

SHORTEST_ALIKE = 3
"""Letters of words that may be meant for each other: `on` and `in` are near to too many."""

FUNCTION_WORDS = frozenset(
    " ".join(
        (
            "a an the this that these those some any each every no not both all another other",
            "i me my we us our you your he him his she her it its they them their s t re ve ll d m",
            "who whom whose which what when where while why how as if than then so",
            "and or but nor yet though because",
            "of in on at to from by for with without into onto upon over under above below between",
            "among through across along around round behind beside near off out up down about",
            "against during before after toward towards within inside outside next",
            "is are was were be been being am has have had having do does did will would can could",
            "may might shall should must very too also just only there here",
        )
    ).split()
)
"""English words that a picture hardly depends on; none of them is called unknown."""

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


def unknown_words(prompt: str) -> list[str]:
    """The distinct words of a prompt that the embedded model does not know, in order, without
    `FUNCTION_WORDS`; then its symbols, as emoji are.

    Of a prompt without words or symbols, as `...`: what there is.
    """
    known = known_words() | FUNCTION_WORDS
    found, symbols = words(prompt), [sign for sign in prompt if unicodedata.category(sign) == "So"]
    if not found and not symbols and prompt.strip():
        return [prompt.strip()]
    return list(dict.fromkeys([*(word for word in found if word not in known), *symbols]))


def _singulars(word: str) -> list[str]:
    """What the word may be the plural of."""
    endings = (("ies", "y"), ("es", ""), ("s", ""))
    return [word.removesuffix(many) + one for many, one in endings if word.endswith(many)]


def _alike(word: str) -> str | None:
    """The known word with the same first letter that is spelled most like an unknown one."""
    if len(word) < SHORTEST_ALIKE:
        return None
    alike = (known for known in known_words() if known[0] == word[0])
    candidates = sorted(known for known in alike if len(known) >= SHORTEST_ALIKE)
    # Letters in another order are a slip of the fingers, in short words too.
    for known in candidates:
        if sorted(known) == sorted(word):
            return known
    # Of longer words that share their first letter, many are other words: station, stallion.
    return next((known for known in candidates if _is_slip(word, known)), None)


def _is_slip(word: str, known: str) -> bool:
    """Whether one letter is too many, missing or another one."""
    short, long = sorted((word, known), key=len)
    if len(short) == len(long):
        return sum(a != b for a, b in zip(short, long, strict=True)) == 1
    return any(long[:place] + long[place + 1 :] == short for place in range(len(long)))


def nearest_known(word: str) -> str | None:
    """The known word nearest in meaning, else in spelling, or None if none is near."""
    lower = word.lower()
    for candidate in (lower, *_singulars(lower)):
        if candidate in known_words():
            return candidate
        if candidate in RELATED:
            return RELATED[candidate]
    return _alike(lower)


def with_nearest(word: str) -> str:
    """An unknown word, with the known one that may do: `dogg (dog?)`."""
    near = nearest_known(word)
    return word if near is None else f"{word} ({near}?)"


def description() -> list[str]:
    """What the embedded model can draw, in a few paragraphs."""
    places = ", ".join(content.words[0] for content in PLACES.values())
    return [
        f"The embedded model draws one of {len(SUBJECTS)} subjects in one of {len(PLACES)} places, "
        "as in 'a dog on a beach'; for anything else give --model a Stable Diffusion folder.",
        f"Subjects: {', '.join(SUBJECTS)}.",
        f"Places: {places}.",
        "It also knows words for light, weather, posture, face, things around and style, as in "
        "'a comic of a dog on a beach, at night, in thick fog, cowering, with bats'.",
    ]
