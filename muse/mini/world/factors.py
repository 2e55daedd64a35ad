"""The visual factors of emotion, and the distribution of each emotion over them.

There are three kinds: light (palette, saturation, brightness), sky (weather) and props. The
distributions of emotions overlap: night belongs to awe and to fear, lightning to anger and to fear,
confetti to amusement and to excitement.
"""

from __future__ import annotations

from dataclasses import dataclass

RGB = tuple[int, int, int]


@dataclass(frozen=True)
class Light:
    """How a scene is lit.

    Attributes:
        words: how a caption names it.
        zenith, horizon: colours of the sky's gradient.
        tint: factor per channel on everything that does not glow.
        saturation: 0 grey, 1 as drawn, above 1 more colourful.
        lift: added to every channel, in levels of 255 (haze).
    """

    words: str
    zenith: RGB
    horizon: RGB
    tint: tuple[float, float, float]
    saturation: float
    lift: int = 0


LIGHTS: dict[str, Light] = {
    "bright": Light("in bright sunshine", (62, 150, 245), (190, 228, 255), (1.08, 1.06, 0.98), 1.2),
    "candy": Light(
        "in candy colours", (255, 120, 190), (255, 226, 120), (1.12, 0.92, 1.0), 1.5, 12
    ),
    "golden": Light(
        "in golden light", (246, 178, 82), (255, 236, 178), (1.12, 0.94, 0.66), 1.05, 6
    ),
    "pastel": Light(
        "in soft pastel light", (186, 214, 240), (252, 238, 226), (0.82, 0.84, 0.84), 0.62, 48
    ),
    "dawn": Light("at dawn", (84, 78, 168), (255, 176, 150), (0.92, 0.74, 0.9), 0.95, 4),
    "neon": Light("in neon light", (44, 4, 92), (236, 10, 150), (0.82, 0.38, 0.92), 1.7, 4),
    "red": Light("in red light", (80, 0, 4), (214, 36, 16), (0.95, 0.28, 0.22), 0.7, 4),
    "ember": Light("in ember light", (38, 14, 10), (206, 96, 20), (0.78, 0.42, 0.2), 0.8),
    "sickly": Light(
        "in sickly green light", (96, 122, 30), (196, 200, 88), (0.66, 0.82, 0.3), 0.7, 6
    ),
    "murky": Light("in murky brown light", (86, 70, 36), (150, 128, 74), (0.6, 0.5, 0.28), 0.6, 8),
    "night": Light("at night", (4, 6, 30), (28, 38, 88), (0.3, 0.36, 0.62), 0.7, 4),
    "moonlit": Light(
        "in pale moonlight", (12, 34, 46), (84, 118, 122), (0.36, 0.52, 0.54), 0.45, 4
    ),
    "grey": Light("in grey light", (118, 122, 128), (178, 180, 182), (0.66, 0.67, 0.69), 0.16, 10),
    "dusk": Light("at blue dusk", (46, 60, 100), (122, 128, 156), (0.46, 0.5, 0.66), 0.42, 8),
    "daylight": Light(
        "in plain daylight", (140, 180, 220), (208, 220, 228), (0.94, 0.94, 0.94), 0.85, 4
    ),
}

NEUTRAL_LIGHT, NEUTRAL_SHARE, STRAY_SHARE = "daylight", 0.2, 0.15
"""Light is the least reliable factor: of the scenes of every mood, one share is in plain daylight
and another in the light of any mood. Denoising settles light first, so sky and props still
matter."""

SKIES: dict[str, str] = {
    "clear": "under a clear sky",
    "clouds": "under fluffy clouds",
    "rainbow": "under a rainbow",
    "beams": "under sunbeams",
    "stars": "under a starry sky",
    "aurora": "under an aurora",
    "fireworks": "under fireworks",
    "spotlights": "under spotlights",
    "lightning": "in a thunderstorm",
    "smoke": "under black smoke",
    "smog": "in yellow smog",
    "drizzle": "in dirty drizzle",
    "fog": "in thick fog",
    "moon": "under a full moon",
    "rain": "in grey rain",
    "snow": "in falling snow",
}

PROPS: dict[str, str] = {
    "balloons": "balloons",
    "bunting": "bunting",
    "confetti": "confetti",
    "birds": "a flock of birds",
    "lanterns": "floating lanterns",
    "sparkles": "sparkles",
    "flowers": "flowers",
    "butterflies": "butterflies",
    "candles": "candles",
    "flags": "waving flags",
    "sparks": "flying sparks",
    "flames": "flames",
    "shards": "broken glass",
    "cracks": "cracked ground",
    "flies": "flies",
    "slime": "slime",
    "rubbish": "rubbish",
    "bats": "bats",
    "eyes": "glowing eyes",
    "cobwebs": "cobwebs",
    "leaves": "fallen leaves",
    "puddles": "puddles",
    "wilted": "wilted flowers",
}


@dataclass(frozen=True)
class Mood:
    """Probabilities of lights, skies and props under an emotion; a scene has one, one and two."""

    lights: dict[str, float]
    skies: dict[str, float]
    props: dict[str, float]


MOODS: dict[str, Mood] = {
    "amusement": Mood(
        {"bright": 0.35, "candy": 0.55, "pastel": 0.1},
        {"clear": 0.2, "clouds": 0.35, "rainbow": 0.35, "fireworks": 0.1},
        {"balloons": 0.35, "bunting": 0.35, "confetti": 0.25, "butterflies": 0.05},
    ),
    "awe": Mood(
        {"dawn": 0.45, "golden": 0.25, "night": 0.3},
        {"beams": 0.25, "stars": 0.3, "aurora": 0.3, "rainbow": 0.15},
        {"birds": 0.4, "lanterns": 0.3, "sparkles": 0.3},
    ),
    "contentment": Mood(
        {"golden": 0.35, "pastel": 0.4, "bright": 0.25},
        {"clear": 0.35, "clouds": 0.4, "beams": 0.25},
        {"flowers": 0.4, "butterflies": 0.4, "candles": 0.12, "lanterns": 0.08},
    ),
    "excitement": Mood(
        {"neon": 0.65, "candy": 0.2, "ember": 0.15},
        {"fireworks": 0.5, "spotlights": 0.4, "lightning": 0.1},
        {"flags": 0.4, "sparks": 0.3, "confetti": 0.2, "balloons": 0.1},
    ),
    "anger": Mood(
        {"red": 0.55, "ember": 0.45},
        {"lightning": 0.45, "smoke": 0.55},
        {"flames": 0.4, "shards": 0.3, "cracks": 0.25, "sparks": 0.05},
    ),
    "disgust": Mood(
        {"sickly": 0.55, "murky": 0.45},
        {"smog": 0.5, "drizzle": 0.35, "smoke": 0.15},
        {"flies": 0.35, "slime": 0.35, "rubbish": 0.25, "puddles": 0.05},
    ),
    "fear": Mood(
        {"night": 0.35, "moonlit": 0.55, "red": 0.1},
        {"fog": 0.35, "moon": 0.4, "lightning": 0.25},
        {"bats": 0.35, "eyes": 0.35, "cobwebs": 0.25, "cracks": 0.05},
    ),
    "sadness": Mood(
        {"grey": 0.45, "dusk": 0.45, "moonlit": 0.1},
        {"rain": 0.45, "fog": 0.25, "snow": 0.2, "drizzle": 0.1},
        {"leaves": 0.35, "puddles": 0.25, "wilted": 0.3, "candles": 0.1},
    ),
}
