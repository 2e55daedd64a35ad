"""A scene: its content, and the factors in which its emotions show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random

from muse.mini.world.factors import (
    EXPRESSIONS,
    LIGHTS,
    MOODS,
    NEUTRAL,
    NEUTRAL_SHARE,
    POSTURES,
    STRAY_SHARE,
    WEATHERS,
)
from muse.mini.world.styles import STYLES

LAYOUTS = 2
"""Arrangements of a scene: the diffusion model learns contents sooner from few."""


@dataclass(frozen=True)
class Scene:
    """One scene.

    Attributes:
        emotions: those whose moods its factors were drawn from, one or two.
        props: two different ones.
        layout: seed of positions, sizes and shades, below `LAYOUTS`.
    """

    place: str
    subject: str
    style: str
    emotions: tuple[str, ...]
    light: str
    weather: str
    posture: str
    expression: str
    props: tuple[str, str]
    layout: int


def _pick(rng: Random, probs: Mapping[str, float]) -> str:
    return rng.choices(list(probs), list(probs.values()))[0]


def _pick_factor(
    rng: Random, kind: str, every: Mapping[str, object], probs: dict[str, float]
) -> str:
    """A factor of a kind: mostly of the mood, sometimes the neutral one, sometimes any."""
    share = rng.random()
    if share < NEUTRAL_SHARE:
        return NEUTRAL[kind]
    return rng.choice(list(every)) if share < NEUTRAL_SHARE + STRAY_SHARE else _pick(rng, probs)


def sample_scene(rng: Random, place: str, subject: str, emotions: Sequence[str]) -> Scene:
    """A scene of this content in any style, each factor drawn from one of the emotions' moods."""
    # With two emotions, weather and posture show one of them, light and face the other.
    first, last = MOODS[emotions[0]], MOODS[emotions[-1]]
    if rng.random() < 0.5:
        first, last = last, first
    prop = _pick(rng, first.props)
    others = {name: share for name, share in last.props.items() if name != prop}
    return Scene(
        place=place,
        subject=subject,
        style=rng.choice(list(STYLES)),
        emotions=tuple(emotions),
        light=_pick_factor(rng, "light", LIGHTS, first.lights),
        weather=_pick_factor(rng, "weather", WEATHERS, last.weathers),
        posture=_pick_factor(rng, "posture", POSTURES, last.postures),
        expression=_pick_factor(rng, "expression", EXPRESSIONS, first.expressions),
        props=(prop, _pick(rng, others)),
        layout=rng.randrange(LAYOUTS),
    )
