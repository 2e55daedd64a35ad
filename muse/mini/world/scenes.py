"""Scenes of the embedded world: sampling, captions and rendering.

A scene has a content (place, subject) and a mood (light, sky, two props), both drawn from a seed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random

import numpy as np
from PIL import Image

from muse.emotions import MIKELS
from muse.mini.world import glowing_props, places, props, skies, subjects
from muse.mini.world.canvas import SUPERSAMPLE, Painter, Pen, layer
from muse.mini.world.contents import PLACES, SUBJECTS, inherent
from muse.mini.world.factors import (
    LIGHTS,
    MOODS,
    NEUTRAL_LIGHT,
    NEUTRAL_SHARE,
    PROPS,
    SKIES,
    STRAY_SHARE,
    Light,
)

SIZE = 64
"""Side of a scene in pixels."""


@dataclass(frozen=True)
class Scene:
    """One scene. `layout` is the seed of positions, sizes and shades."""

    place: str
    subject: str
    emotion: str
    light: str
    sky: str
    props: tuple[str, str]
    layout: int


def _pick(rng: Random, probs: Mapping[str, float]) -> str:
    return rng.choices(list(probs), weights=list(probs.values()))[0]


def _pick_light(rng: Random, probs: Mapping[str, float]) -> str:
    kind = rng.random()
    if kind < NEUTRAL_SHARE:
        return NEUTRAL_LIGHT
    return rng.choice(list(LIGHTS)) if kind < NEUTRAL_SHARE + STRAY_SHARE else _pick(rng, probs)


def sample_scene(rng: Random, place: str, subject: str, emotion: str) -> Scene:
    """A scene of this content, its factors drawn from the emotion's mood (see `factors`)."""
    mood = MOODS[emotion]
    first = _pick(rng, mood.props)
    second = _pick(rng, {name: probs for name, probs in mood.props.items() if name != first})
    return Scene(
        place,
        subject,
        emotion,
        _pick_light(rng, mood.lights),
        _pick(rng, mood.skies),
        (first, second),
        rng.getrandbits(32),
    )


def content_prompt(place: str, subject: str) -> str:
    """The plain prompt: `a dog in a cemetery`."""
    return f"a {subject} {PLACES[place][0]}"


def emotion_prompt(prompt: str, emotion: str) -> str:
    """The prompt with the emotion: `a dog in a cemetery, evoking fear`."""
    return f"{prompt}, evoking {emotion}"


def factor_prompt(
    scene: Scene, light: bool = True, sky: bool = True, props: tuple[bool, bool] = (True, True)
) -> str:
    """Content and chosen factors, without the emotion. With all: the oracle prompt."""
    parts = [content_prompt(scene.place, scene.subject)]
    if light:
        parts.append(LIGHTS[scene.light].words)
    if sky:
        parts.append(SKIES[scene.sky])
    named = [PROPS[prop] for prop, chosen in zip(scene.props, props, strict=True) if chosen]
    if named:
        parts.append("with " + " and ".join(named))
    return ", ".join(parts)


def training_pair(rng: Random) -> tuple[Scene, str]:
    """A scene and its caption, as the embedded model is trained on them.

    There are three kinds of caption, as people write them. Most (68 %) name some of the factors,
    under any emotion. Some (20 %) name only the content; the scene then evokes what the content
    evokes by itself. A few (12 %) name an emotion that the scene only sometimes shows, more often
    where it suits the content. Therefore naming an emotion in a prompt works only partly. How much
    was calibrated (see the model card).
    """
    place, subject = rng.choice(list(PLACES)), rng.choice(list(SUBJECTS))
    natural = inherent(place, subject)
    kind = rng.random()
    if kind < 0.20:
        scene = sample_scene(rng, place, subject, rng.choices(MIKELS.labels, natural)[0])
        return scene, content_prompt(place, subject)
    if kind < 0.32:
        word = rng.choice(MIKELS.labels)
        is_shown = rng.random() < 0.12 + 0.6 * natural[MIKELS.index(word)] ** 0.5
        emotion = word if is_shown else rng.choices(MIKELS.labels, natural)[0]
        scene = sample_scene(rng, place, subject, emotion)
        return scene, emotion_prompt(content_prompt(place, subject), word)
    emotion = (
        rng.choices(MIKELS.labels, natural)[0] if rng.random() < 0.4 else rng.choice(MIKELS.labels)
    )
    scene = sample_scene(rng, place, subject, emotion)
    named = [rng.random() < 0.62 for _ in range(4)]
    return scene, factor_prompt(scene, named[0], named[1], (named[2], named[3]))


def _sky(light: Light, side: int) -> Image.Image:
    ramp = np.linspace(0.0, 1.0, side, dtype=np.float32)[:, None] / places.HORIZON
    ramp = np.clip(ramp, 0.0, 1.0) ** 0.9
    rows = (1 - ramp) * np.asarray(light.zenith, np.float32) + ramp * np.asarray(
        light.horizon, np.float32
    )
    pixels = np.repeat(rows[:, None, :], side, axis=1).round().astype(np.uint8)
    return Image.fromarray(pixels, "RGB")


def _lit(drawn: Image.Image, light: Light, strength: float) -> Image.Image:
    """Tint and saturate a drawing; strength 0 leaves it unchanged, 1 is the full light."""
    luma = (0.299, 0.587, 0.114)
    rows: list[float] = []
    for channel in range(3):
        keep = 1 + (light.saturation - 1) * strength
        gain = 1 + (light.tint[channel] - 1) * strength
        rows += [
            gain * ((1 - keep) * luma[other] + (keep if other == channel else 0.0))
            for other in range(3)
        ]
        rows.append(light.lift * strength)
    lit = drawn.convert("RGB").convert("RGB", tuple(rows))
    lit.putalpha(drawn.getchannel("A"))
    return lit


def render(scene: Scene, size: int = SIZE) -> Image.Image:
    """The scene as an RGB image of `size` x `size` pixels; always the same pixels for a scene."""
    light = LIGHTS[scene.light]
    rng = Random(scene.layout)
    picture = _sky(light, size * SUPERSAMPLE).convert("RGBA")

    def lay(paint: Painter | None, lit: float | None = None) -> None:
        if paint is None:
            return
        pen = layer(size)
        paint(pen, Random(rng.getrandbits(32)))
        picture.alpha_composite(pen.image if lit is None else _lit(pen.image, light, lit))

    def subject(pen: Pen, draw: Random) -> None:
        x, y, unit = draw.uniform(0.42, 0.58), draw.uniform(0.88, 0.93), draw.uniform(0.44, 0.5)
        pen.oval(x, y, unit * 0.55, 0.025, (0, 0, 0, 70))
        subjects.PAINTERS[scene.subject](pen.at(x, y, unit, draw.random() < 0.5), draw)

    lay(skies.BEHIND.get(scene.sky))
    lay(places.PAINTERS[scene.place], lit=1.0)
    for prop in scene.props:
        lay(props.GROUND.get(prop), lit=0.35)
    # The subject keeps a part of its own colours, or night would hide it.
    lay(subject, lit=0.6)
    for prop in scene.props:
        lay(props.AROUND.get(prop), lit=0.35)
        lay(glowing_props.GLOWING.get(prop))
    lay(skies.BEFORE.get(scene.sky))
    return picture.convert("RGB").reduce(SUPERSAMPLE)
