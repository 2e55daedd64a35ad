"""The taxonomies that are built in, by name, and those that a user writes in a TOML file.

Valence and arousal are not among them. A regressor gives them as two numbers, not as a distribution
over names, so that the loss, the inherent emotion and a judge's confidence would all need another
definition. The four quadrants of their plane do fit, as a taxonomy of four labels.
"""

from __future__ import annotations

import difflib
import tomllib
from pathlib import Path

from muse.emotions.taxonomy import Taxonomy

MIKELS = Taxonomy(
    name="mikels-8",
    # In the order of EmoSet's labels (Yang et al., ICCV 2023).
    labels=("amusement", "awe", "contentment", "excitement", "anger", "disgust", "fear", "sadness"),
    polarity=(1, 1, 1, 1, -1, -1, -1, -1),
    wheel=("fear", "excitement", "awe", "contentment", "amusement", "anger", "disgust", "sadness"),
)

EMOTION6 = Taxonomy(
    name="emotion6",
    # Peng et al., CVPR 2015: Ekman's six and neutral.
    labels=("anger", "disgust", "fear", "joy", "sadness", "surprise", "neutral"),
    # Surprise is pleasant or unpleasant depending on its cause.
    polarity=(-1, -1, -1, 1, -1, 0, 0),
    # The order in which people confuse them (Schlosberg's circle, Russell's circumplex). Plutchik's
    # wheel would put fear between joy and surprise, without a neighbour of its own polarity.
    wheel=("joy", "surprise", "fear", "anger", "disgust", "sadness"),
)

ARTEMIS = Taxonomy(
    name="artemis-9",
    # Achlioptas et al., CVPR 2021: Mikels' eight, in this order, and one for everything else.
    labels=(*MIKELS.labels, "something else"),
    polarity=(*MIKELS.polarity, 0),
    wheel=MIKELS.wheel,
)

TAXONOMIES = {taxonomy.name: taxonomy for taxonomy in (MIKELS, EMOTION6, ARTEMIS)}


def load_taxonomy(name: str) -> Taxonomy:
    """The built-in taxonomy of that name, or the one in the TOML file at that path.

    The file holds the keys `name`, `labels`, `polarity` and `wheel` of `Taxonomy`.

    Raises:
        ValueError: if the name is unknown, or the file cannot be read or holds no valid taxonomy.
    """
    if name in TAXONOMIES:
        return TAXONOMIES[name]
    file = Path(name).expanduser()
    if file.suffix != ".toml":
        nearest = difflib.get_close_matches(name, TAXONOMIES, n=1, cutoff=0.0)[0]
        raise ValueError(
            f"unknown taxonomy {name!r}; did you mean {nearest!r}? "
            f"If not, choose from {', '.join(TAXONOMIES)}, or give a .toml file"
        )
    try:
        if file.exists() and not file.is_file():
            # To open a pipe could wait for ever.
            raise OSError("it is not a regular file")
        return Taxonomy.of(tomllib.loads(file.read_text()))
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or error
        raise ValueError(f"{file}: cannot be read ({why})") from None
    except (tomllib.TOMLDecodeError, ValueError, TypeError) as error:
        raise ValueError(f"{file}: {error}") from None
