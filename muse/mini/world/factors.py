"""The visual factors of emotion, and the distribution of each emotion over them.

Coarse to fine: light (palette, saturation, brightness), weather, the subject's posture, props,
and the expression of its face. Neighbours on Mikels' wheel (fear, excitement, awe, contentment,
amusement, anger, disgust, sadness, and fear again) share factors, so that none proves an emotion.
"""

from __future__ import annotations

from dataclasses import dataclass

RGB = tuple[int, int, int]


@dataclass(frozen=True)
class Light:
    """How a scene is lit.

    Attributes:
        words: how a caption names it, the usual way first.
        zenith, horizon: colours of the sky's gradient.
        tint: factor per channel on everything that does not glow.
        saturation: 0 grey, 1 as drawn, above 1 more colourful.
        lift: added to every channel, in levels of 255 (haze).
        edges: share of brightness that is lost at the corners.
    """

    words: tuple[str, ...]
    zenith: RGB
    horizon: RGB
    tint: tuple[float, float, float]
    saturation: float
    lift: int = 0
    edges: float = 0.0


LIGHTS: dict[str, Light] = {
    "daylight": Light(
        ("in plain daylight", "at noon"),
        (140, 180, 220),
        (208, 220, 228),
        (0.94, 0.94, 0.94),
        0.85,
        4,
    ),
    "bright": Light(
        ("in bright sunshine", "on a sunny day"),
        (62, 150, 245),
        (190, 228, 255),
        (1.08, 1.06, 0.98),
        1.2,
    ),
    "candy": Light(
        ("in candy colours", "in pink light"),
        (255, 120, 190),
        (255, 226, 120),
        (1.12, 0.92, 1.0),
        1.45,
        12,
    ),
    "golden": Light(
        ("in golden light", "in warm light"),
        (246, 178, 82),
        (255, 236, 178),
        (1.12, 0.94, 0.66),
        1.05,
        6,
    ),
    "pastel": Light(
        ("in soft pastel light", "in gentle light"),
        (186, 214, 240),
        (252, 238, 226),
        (0.86, 0.88, 0.88),
        0.62,
        44,
    ),
    "dawn": Light(
        ("at dawn", "at sunrise"), (84, 78, 168), (255, 176, 150), (0.94, 0.76, 0.92), 0.95, 6, 0.2
    ),
    "neon": Light(
        ("in neon light", "in magenta light"),
        (44, 4, 92),
        (236, 10, 150),
        (0.9, 0.46, 1.0),
        1.6,
        6,
        0.3,
    ),
    "red": Light(
        ("in red light", "under a red sky"),
        (96, 4, 8),
        (224, 44, 20),
        (1.05, 0.44, 0.38),
        0.7,
        8,
        0.35,
    ),
    "ember": Light(
        ("in ember light", "in the glow of embers"),
        (48, 18, 12),
        (216, 104, 24),
        (0.9, 0.5, 0.28),
        0.8,
        4,
        0.5,
    ),
    "sickly": Light(
        ("in sickly green light", "in a green haze"),
        (96, 122, 30),
        (196, 200, 88),
        (0.7, 0.84, 0.36),
        0.7,
        8,
        0.2,
    ),
    "murky": Light(
        ("in murky brown light", "in dull brown light"),
        (92, 74, 38),
        (156, 132, 78),
        (0.76, 0.64, 0.42),
        0.6,
        12,
        0.2,
    ),
    "night": Light(
        ("at night", "in the dark"), (4, 8, 36), (30, 42, 96), (0.36, 0.42, 0.7), 0.75, 8, 0.45
    ),
    "moonlit": Light(
        ("in pale moonlight", "in cold light"),
        (12, 34, 46),
        (84, 118, 122),
        (0.44, 0.6, 0.62),
        0.45,
        8,
        0.5,
    ),
    "grey": Light(
        ("in grey light", "under a grey sky"),
        (118, 122, 128),
        (178, 180, 182),
        (0.68, 0.69, 0.71),
        0.16,
        12,
        0.1,
    ),
    "dusk": Light(
        ("at blue dusk", "at twilight"),
        (46, 60, 100),
        (122, 128, 156),
        (0.52, 0.57, 0.74),
        0.42,
        10,
        0.25,
    ),
}

WEATHERS: dict[str, tuple[str, ...]] = {
    "clear": ("under a clear sky", "under a cloudless sky"),
    "clouds": ("under fluffy clouds", "under white clouds"),
    "rainbow": ("under a rainbow",),
    "beams": ("under sunbeams", "in the rays of the sun"),
    "stars": ("under a starry sky", "under the stars"),
    "aurora": ("under an aurora", "under northern lights"),
    "fireworks": ("under fireworks",),
    "spotlights": ("under spotlights", "in the beams of searchlights"),
    "lightning": ("in a thunderstorm", "under lightning"),
    "smoke": ("under black smoke", "in clouds of smoke"),
    "smog": ("in yellow smog", "in foul fumes"),
    "drizzle": ("in dirty drizzle", "in brown rain"),
    "fog": ("in thick fog", "in mist"),
    "moon": ("under a full moon",),
    "rain": ("in grey rain", "in the rain"),
    "snow": ("in falling snow", "in a snowfall"),
}

POSTURES: dict[str, tuple[str, ...]] = {
    "upright": ("standing still",),
    "hopping": ("hopping", "bouncing"),
    "dancing": ("dancing", "swaying"),
    "soaring": ("floating", "hovering in the air"),
    "resting": ("resting", "at rest"),
    "leaping": ("leaping", "jumping high"),
    "charging": ("charging", "rushing forward"),
    "recoiling": ("recoiling", "shrinking back"),
    "cowering": ("cowering", "hiding low"),
    "slumped": ("slumped", "drooping"),
}

EXPRESSIONS: dict[str, tuple[str, ...]] = {
    "neutral": ("with a calm face",),
    "smiling": ("smiling", "with a smile"),
    "laughing": ("laughing", "with a laughing face"),
    "serene": ("with closed eyes", "looking relaxed"),
    "amazed": ("looking amazed", "with an open mouth"),
    "excited": ("cheering", "with bright eyes"),
    "angry": ("with a furious face", "baring its teeth"),
    "disgusted": ("with its tongue out", "making a sick face"),
    "frightened": ("with a frightened face", "trembling"),
    "crying": ("in tears", "crying"),
}

PROPS: dict[str, tuple[str, ...]] = {
    "balloons": ("balloons",),
    "bunting": ("bunting", "garlands"),
    "confetti": ("confetti", "streamers"),
    "birds": ("a flock of birds", "birds in flight"),
    "sky lamps": ("sky lamps", "glowing paper lamps"),
    "sparkles": ("sparkles", "glitter"),
    "flowers": ("flowers around", "a bed of flowers"),
    "butterflies": ("butterflies",),
    "candles": ("candles",),
    "flags": ("waving flags", "banners"),
    "sparks": ("flying sparks",),
    "flames": ("flames", "fire"),
    "shards": ("broken glass", "glass shards"),
    "cracks": ("cracked ground", "cracks in the ground"),
    "flies": ("flies", "a swarm of flies"),
    "slime": ("slime", "green goo"),
    "rubbish": ("rubbish", "garbage bags"),
    "bats": ("bats",),
    "eyes": ("glowing eyes", "eyes in the dark"),
    "cobwebs": ("cobwebs", "spider webs"),
    "leaves": ("fallen leaves", "dead leaves"),
    "puddles": ("puddles",),
    "wilted": ("wilted flowers", "withered flowers"),
}


@dataclass(frozen=True)
class Mood:
    """Probabilities of the factors under an emotion; a scene has one of each, and two props."""

    lights: dict[str, float]
    weathers: dict[str, float]
    postures: dict[str, float]
    expressions: dict[str, float]
    props: dict[str, float]


MOODS: dict[str, Mood] = {
    "amusement": Mood(
        {"bright": 0.35, "candy": 0.5, "pastel": 0.15},
        {"clear": 0.2, "clouds": 0.35, "rainbow": 0.35, "fireworks": 0.1},
        {"hopping": 0.6, "dancing": 0.4},
        {"laughing": 0.7, "smiling": 0.3},
        {"balloons": 0.35, "bunting": 0.35, "confetti": 0.2, "butterflies": 0.1},
    ),
    "awe": Mood(
        {"dawn": 0.45, "golden": 0.25, "night": 0.3},
        {"beams": 0.25, "stars": 0.3, "aurora": 0.25, "rainbow": 0.1, "fireworks": 0.1},
        {"soaring": 0.65, "upright": 0.25, "leaping": 0.1},
        {"amazed": 0.6, "serene": 0.25, "excited": 0.15},
        {"birds": 0.35, "sky lamps": 0.3, "sparkles": 0.35},
    ),
    "contentment": Mood(
        {"golden": 0.35, "pastel": 0.4, "bright": 0.25},
        {"clear": 0.35, "clouds": 0.4, "beams": 0.25},
        {"resting": 0.7, "upright": 0.3},
        {"serene": 0.6, "smiling": 0.4},
        {"flowers": 0.4, "butterflies": 0.35, "candles": 0.15, "sky lamps": 0.1},
    ),
    "excitement": Mood(
        {"neon": 0.65, "candy": 0.2, "ember": 0.15},
        {"fireworks": 0.45, "spotlights": 0.4, "lightning": 0.15},
        {"leaping": 0.45, "dancing": 0.3, "charging": 0.15, "soaring": 0.1},
        {"excited": 0.65, "laughing": 0.2, "amazed": 0.15},
        {"flags": 0.35, "sparks": 0.3, "confetti": 0.15, "balloons": 0.1, "sparkles": 0.1},
    ),
    "anger": Mood(
        {"red": 0.55, "ember": 0.45},
        {"lightning": 0.45, "smoke": 0.55},
        {"charging": 0.8, "leaping": 0.2},
        {"angry": 1.0},
        {"flames": 0.4, "shards": 0.3, "cracks": 0.2, "sparks": 0.1},
    ),
    "disgust": Mood(
        {"sickly": 0.55, "murky": 0.45},
        {"smog": 0.5, "drizzle": 0.3, "smoke": 0.2},
        {"recoiling": 0.75, "slumped": 0.25},
        {"disgusted": 0.9, "angry": 0.1},
        {"flies": 0.35, "slime": 0.35, "rubbish": 0.2, "puddles": 0.1},
    ),
    "fear": Mood(
        {"night": 0.35, "moonlit": 0.55, "red": 0.1},
        {"fog": 0.35, "moon": 0.4, "lightning": 0.25},
        {"cowering": 0.65, "recoiling": 0.35},
        {"frightened": 0.85, "amazed": 0.15},
        {"bats": 0.35, "eyes": 0.35, "cobwebs": 0.2, "cracks": 0.1},
    ),
    "sadness": Mood(
        {"grey": 0.45, "dusk": 0.4, "moonlit": 0.15},
        {"rain": 0.45, "fog": 0.25, "snow": 0.2, "drizzle": 0.1},
        {"slumped": 0.8, "cowering": 0.2},
        {"crying": 0.9, "frightened": 0.1},
        {"leaves": 0.35, "puddles": 0.25, "wilted": 0.3, "candles": 0.1},
    ),
}

NEUTRAL = {"light": "daylight", "weather": "clear", "posture": "upright", "expression": "neutral"}
NEUTRAL_SHARE, STRAY_SHARE = 0.2, 0.12
"""Each factor but the props is neutral in one share of the scenes of every emotion, and any of its
kind in another. What denoising settles first therefore does not settle the emotion."""
