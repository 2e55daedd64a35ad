"""Places and subjects of the embedded world, and the emotions that they evoke by themselves.

Counts are images per emotion, in the order of `MIKELS.labels`, as EmoSet's annotators labelled them
(Yang et al., "EmoSet: A Large-scale Visual Emotion Dataset with Rich Attributes", ICCV 2023).
"""

from __future__ import annotations

from muse.emotions import MIKELS

# name: (words in a prompt, counts)
PLACES: dict[str, tuple[str, tuple[int, ...]]] = {
    "cemetery": ("in a cemetery", (0, 3, 3, 3, 0, 0, 80, 4598)),
    "landfill": ("in a landfill", (0, 0, 1, 0, 7, 3134, 20, 63)),
    "amusement park": ("in an amusement park", (3586, 1, 0, 42, 7, 0, 20, 0)),
    "street": ("on a street", (374, 26, 124, 1707, 1960, 472, 660, 312)),
    "forest": ("in a forest", (6, 42, 183, 9, 539, 48, 649, 135)),
    "railroad": ("on a railroad", (8, 18, 18, 3, 0, 0, 100, 28)),
    "stage": ("on a stage", (152, 4, 4, 1151, 24, 0, 143, 57)),
    "beach": ("on a beach", (130, 357, 762, 127, 21, 16, 22, 90)),
    "pond": ("by a pond", (10, 37, 270, 1, 32, 32, 0, 6)),
    "snowy mountain": ("on a snowy mountain", (4, 469, 27, 29, 14, 0, 11, 0)),
    "football field": ("on a football field", (4, 3, 6, 508, 0, 0, 0, 9)),
    "boxing ring": ("in a boxing ring", (0, 0, 0, 8, 1883, 0, 0, 0)),
}

SUBJECTS: dict[str, tuple[int, ...]] = {
    "dog": (26, 12, 83, 25, 54, 2, 8, 38),
    "cat": (19, 4, 33, 0, 38, 6, 8, 10),
    "horse": (4, 24, 15, 6, 10, 0, 2, 4),
    "duck": (2, 20, 33, 3, 4, 0, 0, 0),
    "snake": (0, 0, 0, 0, 2, 258, 36, 0),
    "spider": (0, 0, 0, 0, 0, 692, 608, 0),
    "car": (44, 62, 53, 86, 172, 160, 74, 104),
    "bicycle": (5, 12, 12, 68, 26, 27, 4, 12),
    "boat": (28, 178, 48, 18, 18, 8, 4, 40),
    "house": (77, 388, 109, 28, 170, 186, 790, 880),
    "umbrella": (14, 5, 4, 28, 4, 6, 1, 5),
    "guitar": (8, 0, 1, 67, 6, 0, 2, 4),
    "bench": (4, 16, 61, 1, 0, 4, 0, 52),
    "skull": (0, 0, 0, 0, 0, 0, 128, 2),
    "pumpkin": (8, 2, 3, 0, 0, 54, 60, 2),
    "cake": (43, 6, 31, 2, 0, 2, 4, 0),
}


def inherent(place: str, subject: str) -> tuple[float, ...]:
    """P(emotion | place, subject) of the content by itself, in the order of `MIKELS.labels`.

    A place weighs twice its subject, and every emotion has at least 1 %.
    """
    at, of = PLACES[place][1], SUBJECTS[subject]
    mix = [(2 * p / sum(at) + s / sum(of)) / 3 for p, s in zip(at, of, strict=True)]
    return tuple(0.92 * m + 0.01 for m in mix)


def leaning(place: str, subject: str) -> str:
    """The emotion that the content evokes most."""
    probs = inherent(place, subject)
    return MIKELS.labels[probs.index(max(probs))]
