"""Places and subjects of the scenes, how they are named, and the emotions they evoke by themselves.

Counts are images per emotion, in the order of `MIKELS.labels`, as EmoSet's annotators labelled them
(Yang et al., "EmoSet: A Large-scale Visual Emotion Dataset with Rich Attributes", ICCV 2023).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random

from muse.emotions import MIKELS


@dataclass(frozen=True)
class Content:
    """A place or a subject.

    Attributes:
        words: how a caption names it, the usual way first: a place with its preposition and
            article, a subject without an article.
        counts: images per emotion, in the order of `MIKELS.labels`.
    """

    words: tuple[str, ...]
    counts: tuple[int, ...]


_PLACE_WORDS: dict[str, tuple[str, ...]] = {
    "cemetery": ("in a cemetery", "in a graveyard", "among gravestones"),
    "landfill": ("in a landfill", "at a garbage dump", "on a rubbish tip"),
    "amusement park": ("in an amusement park", "at a funfair", "at a carnival"),
    "street": ("on a street", "on a city road", "on an avenue"),
    "forest": ("in a forest", "in the woods", "among fir trees"),
    "railroad": ("on a railroad", "on the train tracks", "on a railway line"),
    "stage": ("on a stage", "in a theatre", "before red curtains"),
    "beach": ("on a beach", "at the seaside", "by the sea"),
    "pond": ("by a pond", "at a lily pond", "beside a small lake"),
    "snowy mountain": ("on a snowy mountain", "in the snowy alps", "below icy peaks"),
    "football field": ("on a football field", "on a playing field", "in a stadium"),
    "boxing ring": ("in a boxing ring", "in a fighting ring", "between the ropes of a ring"),
    "underwater": ("under water", "on the sea floor", "at a coral reef"),
    "corridor": ("in a corridor", "in a hallway", "in a passage"),
    "butcher's shop": ("in a butcher's shop", "at a meat counter", "at the butcher's"),
    "toyshop": ("in a toyshop", "in a toy store", "before a shelf of toys"),
    "waterfall": ("by a waterfall", "below a cascade", "at a cataract"),
    "canyon": ("in a canyon", "in a desert gorge", "among red rocks"),
    "church": ("by a church", "in front of a chapel", "near a cathedral"),
    "pasture": ("in a pasture", "on a farm", "in a meadow"),
    "discotheque": ("in a discotheque", "in a nightclub", "on a dance floor"),
    "bullring": ("in a bullring", "in a bullfighting arena", "in a sandy arena"),
    "swimming pool": ("by a swimming pool", "at the poolside", "at an outdoor pool"),
    "alley": ("in an alley", "in a back lane", "in a narrow side street"),
}
_PLACE_COUNTS: dict[str, tuple[int, ...]] = {
    "cemetery": (0, 3, 3, 3, 0, 0, 80, 4598),
    "landfill": (0, 1, 0, 0, 7, 3134, 20, 63),
    "amusement park": (3586, 1, 0, 42, 7, 0, 20, 0),
    "street": (374, 26, 124, 1707, 1960, 472, 660, 312),
    "forest": (6, 42, 183, 9, 539, 48, 649, 135),
    "railroad": (8, 18, 18, 3, 0, 0, 100, 28),
    "stage": (152, 4, 4, 1151, 24, 0, 143, 57),
    "beach": (130, 357, 762, 127, 21, 16, 22, 90),
    "pond": (10, 37, 270, 1, 32, 32, 0, 6),
    "snowy mountain": (4, 469, 27, 29, 14, 0, 11, 0),
    "football field": (4, 3, 6, 508, 0, 0, 0, 9),
    "boxing ring": (0, 0, 0, 8, 1883, 0, 0, 0),
    "underwater": (10, 18, 16, 19, 0, 1800, 187, 0),
    "corridor": (0, 0, 0, 2, 0, 24, 1364, 159),
    "butcher's shop": (0, 0, 0, 0, 0, 1162, 0, 0),
    "toyshop": (92, 0, 3, 2, 0, 0, 11, 9),
    "waterfall": (2, 293, 15, 9, 0, 0, 0, 0),
    "canyon": (0, 398, 9, 29, 0, 0, 0, 0),
    "church": (18, 175, 3, 0, 0, 0, 20, 33),
    "pasture": (6, 66, 216, 2, 16, 0, 0, 6),
    "discotheque": (2, 0, 0, 198, 0, 0, 10, 0),
    "bullring": (0, 0, 0, 1, 112, 0, 0, 0),
    "swimming pool": (36, 1, 126, 19, 0, 0, 11, 3),
    "alley": (0, 1, 15, 1, 8, 152, 154, 12),
}
_SUBJECT_WORDS: dict[str, tuple[str, ...]] = {
    "dog": ("dog", "puppy", "hound"),
    "cat": ("cat", "kitten", "kitty"),
    "horse": ("horse", "pony", "stallion"),
    "duck": ("duck", "duckling", "drake"),
    "eagle": ("eagle", "hawk", "bird of prey"),
    "lion": ("lion", "big cat"),
    "snake": ("snake", "serpent", "viper"),
    "spider": ("spider", "tarantula"),
    "beetle": ("beetle", "bug", "scarab"),
    "caterpillar": ("caterpillar", "grub", "larva"),
    "bee": ("bee", "bumblebee", "honeybee"),
    "doll": ("doll", "puppet", "girl doll"),
    "pumpkin": ("pumpkin", "halloween pumpkin", "squash"),
    "car": ("car", "automobile", "sedan"),
    "bicycle": ("bicycle", "bike", "cycle"),
    "boat": ("boat", "sailing boat", "sailboat"),
    "canoe": ("canoe", "kayak", "paddle boat"),
    "airplane": ("airplane", "plane", "aircraft"),
    "house": ("house", "cottage", "home"),
    "castle": ("castle", "fortress", "palace"),
    "umbrella": ("umbrella", "parasol"),
    "guitar": ("guitar", "acoustic guitar"),
    "drum": ("drum", "snare drum"),
    "bench": ("bench", "wooden bench", "park bench"),
    "chair": ("chair", "wooden chair", "seat"),
    "skull": ("skull", "human skull"),
    "cake": ("cake", "birthday cake", "gateau"),
    "mug": ("mug", "coffee cup", "cup of coffee"),
    "christmas tree": ("christmas tree", "xmas tree", "decorated fir"),
    "rose": ("rose", "flower", "blossom"),
    "lantern": ("lantern", "oil lamp", "lamp"),
    "bin": ("bin", "trash can", "waste container"),
}
_SUBJECT_COUNTS: dict[str, tuple[int, ...]] = {
    "dog": (26, 12, 83, 25, 54, 2, 8, 38),
    "cat": (19, 4, 33, 0, 38, 6, 8, 10),
    "horse": (4, 24, 15, 6, 10, 0, 2, 4),
    "duck": (2, 20, 33, 3, 4, 0, 0, 0),
    "eagle": (1, 40, 7, 3, 10, 0, 0, 0),
    "lion": (0, 4, 3, 0, 112, 2, 0, 2),
    "snake": (0, 0, 0, 0, 2, 258, 36, 0),
    "spider": (0, 0, 0, 0, 0, 692, 608, 0),
    "beetle": (1, 0, 2, 0, 0, 44, 18, 0),
    "caterpillar": (0, 0, 0, 0, 0, 202, 10, 0),
    "bee": (23, 70, 26, 0, 0, 12, 10, 0),
    "doll": (93, 2, 5, 2, 1, 6, 56, 2),
    "pumpkin": (8, 2, 3, 0, 0, 54, 60, 2),
    "car": (44, 62, 53, 86, 172, 160, 74, 104),
    "bicycle": (5, 12, 12, 68, 26, 27, 4, 12),
    "boat": (28, 178, 48, 18, 18, 8, 4, 40),
    "canoe": (5, 10, 18, 146, 0, 3, 0, 0),
    "airplane": (2, 42, 0, 1, 14, 0, 2, 0),
    "house": (77, 388, 109, 28, 170, 186, 790, 880),
    "castle": (15, 156, 1, 0, 10, 0, 12, 6),
    "umbrella": (14, 5, 4, 28, 4, 6, 1, 5),
    "guitar": (8, 0, 1, 67, 6, 0, 2, 4),
    "drum": (7, 0, 0, 92, 2, 2, 2, 6),
    "bench": (4, 16, 61, 1, 0, 4, 0, 52),
    "chair": (102, 48, 141, 47, 36, 22, 82, 166),
    "skull": (0, 0, 0, 0, 0, 0, 128, 2),
    "cake": (43, 6, 31, 2, 0, 2, 4, 0),
    "mug": (38, 0, 95, 1, 4, 8, 2, 4),
    "christmas tree": (129, 0, 10, 5, 0, 2, 1, 3),
    "rose": (17, 92, 48, 4, 0, 0, 8, 24),
    "lantern": (18, 0, 0, 0, 0, 0, 168, 0),
    "bin": (1, 0, 0, 0, 0, 152, 2, 4),
}

PLACES = {name: Content(words, _PLACE_COUNTS[name]) for name, words in _PLACE_WORDS.items()}
SUBJECTS = {name: Content(words, _SUBJECT_COUNTS[name]) for name, words in _SUBJECT_WORDS.items()}

FLOOR = 0.002
"""Added to the weight of each content that is drawn for an emotion, so that none is excluded."""


def inherent(place: str, subject: str) -> tuple[float, ...]:
    """P(emotion | place, subject) of the content by itself, in the order of `MIKELS.labels`.

    A place weighs twice its subject, and every emotion has at least 1 %.
    """
    at, of = PLACES[place].counts, SUBJECTS[subject].counts
    mix = [(2 * p / sum(at) + s / sum(of)) / 3 for p, s in zip(at, of, strict=True)]
    return tuple(0.92 * share + 0.01 for share in mix)


def leaning(place: str, subject: str) -> str:
    """The emotion that the content evokes most."""
    probs = inherent(place, subject)
    return MIKELS.labels[probs.index(max(probs))]


def draw_evoking(rng: Random, contents: Mapping[str, Content], emotion: str) -> str:
    """A content, each weighed by the share of the emotion in its counts."""
    at = MIKELS.index(emotion)
    weights = []
    for content in contents.values():
        weights.append(content.counts[at] / sum(content.counts) + FLOOR)
    return rng.choices(list(contents), weights)[0]
