"""Captions of scenes in free English, and pairs of scene and caption to train on.

A caption of training names the content alone, or some factors, or an emotion. People who name an
emotion are often loose about contents, so in a share of those pairs (`DISPLACED`) the scene shows
another place, and independently another subject, that evokes the emotion by itself.
"""

from __future__ import annotations

from dataclasses import replace
from random import Random

from muse.emotions import MIKELS
from muse.mini.world.contents import PLACES, SUBJECTS, draw_evoking, inherent
from muse.mini.world.drawing import animals
from muse.mini.world.factors import EXPRESSIONS, LIGHTS, POSTURES, PROPS, WEATHERS
from muse.mini.world.scene import Scene, sample_scene
from muse.mini.world.styles import STYLES

DISPLACED = 0.58
"""Share of the captions naming an emotion that have a wrong place; independently, subject."""

PLAIN_SHARE, NAMED_SHARE = 0.2, 0.25
"""Shares of the captions that name the content alone, and that name an emotion."""

SHOWN_ALWAYS, SHOWN_IF_NATURAL = 0.15, 0.4
"""An emotion that is named is shown with this probability, and more the more natural it is."""

NATURAL_SHARE, MIXED_SHARE = 0.4, 0.15
"""Of the captions naming factors, shares with the content's own emotion, and with two emotions."""

ALL_FACTORS, MAX_FACTORS = 0.5, 4
"""Share of the captions naming factors that name all of them, and the most that others name."""

EMOTION_PHRASES: dict[str, tuple[str, ...]] = {
    "amusement": ("evoking amusement", "full of amusement", "amusing and funny", "playful"),
    "awe": ("evoking awe", "full of awe", "awesome and majestic", "sublime"),
    "contentment": ("evoking contentment", "full of contentment", "content and peaceful", "cosy"),
    "excitement": ("evoking excitement", "full of excitement", "exciting and thrilling", "wild"),
    "anger": ("evoking anger", "full of anger", "angry and furious", "enraged"),
    "disgust": ("evoking disgust", "full of disgust", "disgusting and gross", "filthy"),
    "fear": ("evoking fear", "full of fear", "scary and frightening", "creepy"),
    "sadness": ("evoking sadness", "full of sadness", "sad and lonely", "gloomy"),
}


def with_article(noun: str) -> str:
    """The noun after `a` or `an`."""
    return f"an {noun}" if noun[0] in "aeiou" else f"a {noun}"


def content_prompt(place: str, subject: str) -> str:
    """The plain prompt in the usual words: `a dog in a cemetery`."""
    return f"{with_article(SUBJECTS[subject].words[0])} {PLACES[place].words[0]}"


def emotion_prompt(prompt: str, emotion: str) -> str:
    """The prompt with the emotion: `a dog in a cemetery, evoking fear`."""
    return f"{prompt}, {EMOTION_PHRASES[emotion][0]}"


def factor_phrases(scene: Scene) -> list[str]:
    """The scene's factors in the usual words, from coarse to fine, the props last."""
    phrases = [LIGHTS[scene.light].words[0], WEATHERS[scene.weather][0], POSTURES[scene.posture][0]]
    if scene.subject in animals.PAINTERS:
        phrases.append(EXPRESSIONS[scene.expression][0])
    first, second = (PROPS[prop][0] for prop in scene.props)
    return [*phrases, f"with {first} and {second}"]


def factor_prompt(scene: Scene) -> str:
    """Content and all factors, without the emotion: the prompt of the oracle."""
    return ", ".join([content_prompt(scene.place, scene.subject), *factor_phrases(scene)])


def _free_content(rng: Random, place: str, subject: str, style: str) -> str:
    """The content in any words and order, with the style in every third."""
    where, what = rng.choice(PLACES[place].words), rng.choice(SUBJECTS[subject].words)
    if rng.random() < 1 / 3:
        return f"{rng.choice(STYLES[style].words)} {with_article(what)} {where}"
    form = rng.random()
    if form < 0.5:
        return f"{with_article(what)} {where}"
    if form < 0.62:
        return f"the {what} {where}"
    if form < 0.74:
        return f"{what} {where}"
    if form < 0.87:
        return f"{where}, {with_article(what)}"
    return f"{where} there is {with_article(what)}"


def _free_factors(rng: Random, scene: Scene) -> list[str]:
    """All or some of the factors, in any words and order."""
    all_of_them = rng.random() < ALL_FACTORS
    phrases = [
        rng.choice(LIGHTS[scene.light].words),
        rng.choice(WEATHERS[scene.weather]),
        rng.choice(POSTURES[scene.posture]),
    ]
    if scene.subject in animals.PAINTERS:
        phrases.append(rng.choice(EXPRESSIONS[scene.expression]))
    named = rng.sample(scene.props, 2 if all_of_them else rng.choice((1, 2)))
    phrases.append("with " + " and ".join(rng.choice(PROPS[prop]) for prop in named))
    most = min(MAX_FACTORS, len(phrases))
    return rng.sample(phrases, len(phrases) if all_of_them else rng.randint(1, most))


def free_caption(rng: Random, scene: Scene) -> str:
    """Content and some factors in any words and order, as a user might write them."""
    content = _free_content(rng, scene.place, scene.subject, scene.style)
    factors = _free_factors(rng, scene)
    # Light and weather may come first, as in "at night, a dog in a cemetery".
    if rng.random() < 0.15 and not factors[0].startswith("with "):
        return ", ".join([factors[0], content, *factors[1:]])
    return ", ".join([content, *factors])


def _displaced(rng: Random, scene: Scene, emotion: str, share: float) -> Scene:
    """The scene in which, by chance, place and subject gave way to ones that evoke the emotion."""
    place, subject = scene.place, scene.subject
    if rng.random() < share:
        place = draw_evoking(rng, PLACES, emotion)
    if rng.random() < share:
        subject = draw_evoking(rng, SUBJECTS, emotion)
    return replace(scene, place=place, subject=subject)


def training_pair(rng: Random, displaced: float = DISPLACED) -> tuple[Scene, str]:
    """A scene and its caption.

    Args:
        displaced: share of the captions naming an emotion that have a wrong place; independently, a
            wrong subject.
    """
    place, subject = rng.choice(list(PLACES)), rng.choice(list(SUBJECTS))
    natural, kind = inherent(place, subject), rng.random()
    own = rng.choices(MIKELS.labels, natural)[0]
    if kind < PLAIN_SHARE:
        scene = sample_scene(rng, place, subject, [own])
        return scene, _free_content(rng, place, subject, scene.style)
    if kind < PLAIN_SHARE + NAMED_SHARE:
        named = rng.choice(MIKELS.labels)
        chance = SHOWN_ALWAYS + SHOWN_IF_NATURAL * natural[MIKELS.index(named)] ** 0.5
        scene = sample_scene(rng, place, subject, [named if rng.random() < chance else own])
        content = _free_content(rng, place, subject, scene.style)
        caption = f"{content}, {rng.choice(EMOTION_PHRASES[named])}"
        return _displaced(rng, scene, named, displaced), caption
    emotions = [own if rng.random() < NATURAL_SHARE else rng.choice(MIKELS.labels)]
    if rng.random() < MIXED_SHARE:
        emotions = rng.sample(MIKELS.labels, 2)
    scene = sample_scene(rng, place, subject, emotions)
    return scene, free_caption(rng, scene)
