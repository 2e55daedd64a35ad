"""Taxonomies by name, or from a user's file.

Valence and arousal are not among them. They are two numbers that a regressor gives, not a distribution over
names: the loss, the inherent emotion and a judge's confidence would all have to mean something else. Their
quadrants, as a taxonomy of four, fit.
"""

from __future__ import annotations

import difflib
import tomllib
from pathlib import Path

from muse.emotions import MIKELS, Taxonomy

EMOTION6 = Taxonomy(
    name="emotion6",
    # Peng et al., CVPR 2015: Ekman's six and neutral.
    labels=("anger", "disgust", "fear", "joy", "sadness", "surprise", "neutral"),
    # Surprise is pleasant or not by its cause.
    polarity=(-1, -1, -1, 1, -1, 0, 0),
    # The order in which people confuse them (Schlosberg's circle, Russell's circumplex). Plutchik's wheel would
    # put fear between joy and surprise, and leave it without a neighbour of its own polarity.
    wheel=("joy", "surprise", "fear", "anger", "disgust", "sadness"),
)

ARTEMIS = Taxonomy(
    name="artemis-9",
    # Achlioptas et al., CVPR 2021: Mikels' eight, in this order, and what is none of them.
    labels=(*MIKELS.labels, "something else"),
    polarity=(*MIKELS.polarity, 0),
    wheel=MIKELS.wheel,
)

TAXONOMIES = {taxonomy.name: taxonomy for taxonomy in (MIKELS, EMOTION6, ARTEMIS)}


def load_taxonomy(name: str) -> Taxonomy:
    """The taxonomy of that name, or the one in the TOML file at that path: name, labels, polarity and wheel.

    Raises:
        ValueError: an unknown name, or a file that cannot be read or holds no sound taxonomy.
    """
    if name in TAXONOMIES:
        return TAXONOMIES[name]
    file = Path(name).expanduser()
    if file.suffix != ".toml":
        near = difflib.get_close_matches(name, TAXONOMIES, n=1, cutoff=0.0)[0]
        raise ValueError(
            f"unknown taxonomy {name!r}; did you mean {near!r}? Known: {', '.join(TAXONOMIES)}, or a .toml file"
        )
    try:
        return Taxonomy.of(tomllib.loads(file.read_text()))
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{file}: cannot be read ({error})") from None
    except (tomllib.TOMLDecodeError, ValueError, TypeError) as error:
        raise ValueError(f"{file}: {error}") from None
