"""A taxonomy: a closed, ordered set of emotions with their polarity and their likeness.

Labels are always matched by name, never by index: public data sets order them differently.
"""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


def clean(label: object) -> str:
    """A label as it is compared: in lower case, without spaces around it, in Unicode's form NFC."""
    return unicodedata.normalize("NFC", str(label)).strip().lower()


@dataclass(frozen=True)
class Taxonomy:
    """A closed, ordered set of emotions.

    Attributes:
        name: what it is called in messages.
        labels: names of the emotions, in lower case. Their order is the order of every logit,
            weight and probability.
        polarity: +1 (pleasant), -1 (unpleasant) or 0 (neither) for each label.
        wheel: labels in circular order of likeness. A label that is like no other, such as
            `neutral`, is left out.

    Raises:
        ValueError: if any of these is invalid or does not fit the others.
    """

    name: str
    labels: tuple[str, ...]
    polarity: tuple[int, ...]
    wheel: tuple[str, ...]

    def __post_init__(self) -> None:
        # An accent may be written as one code point or as two; both mean the same label.
        for key in ("labels", "wheel"):
            normalized = (unicodedata.normalize("NFC", name) for name in getattr(self, key))
            object.__setattr__(self, key, tuple(normalized))
        if not self.name.strip():
            raise ValueError("name is empty; give the taxonomy a name")
        if len(self.labels) < 2:
            raise ValueError(f"labels has {len(self.labels)}; name at least two emotions")
        for label in self.labels:
            if not label or label != label.strip().lower():
                raise ValueError(
                    f"labels: {label!r} must be in lower case, without spaces around it"
                )
        for field, names in (("labels", self.labels), ("wheel", self.wheel)):
            if repeated := sorted({name for name in names if names.count(name) > 1}):
                raise ValueError(f"{field} names {', '.join(repeated)} twice; name each once")
        if len(self.polarity) != len(self.labels) or not set(self.polarity) <= {-1, 0, 1}:
            raise ValueError(
                f"polarity is {list(self.polarity)}; give 1, 0 or -1 for each of the "
                f"{len(self.labels)} labels, in their order"
            )
        if unknown := [name for name in self.wheel if name not in self.labels]:
            raise ValueError(
                f"wheel names {', '.join(unknown)}, which labels does not have; "
                f"the labels are {', '.join(self.labels)}"
            )

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Taxonomy:
        """A taxonomy from plain data: a TOML table, or what `dataclasses.asdict` makes of one.

        Raises:
            ValueError: if a key is missing, unknown or of a wrong type, or if the values do not fit
                each other.
        """
        types = {"name": str, "labels": str, "polarity": int, "wheel": str}
        if wrong := sorted({*types} ^ {*values}):
            raise ValueError(
                f"{', '.join(wrong)}: missing or unknown; a taxonomy has {', '.join(types)}"
            )
        for key, item_type in types.items():
            items = [values[key]] if key == "name" else values[key]
            if isinstance(items, str) or not all(type(item) is item_type for item in items):
                expected = "text" if key == "name" else f"a list of {item_type.__name__}"
                raise ValueError(f"{key} is {values[key]!r}; give {expected}")
        return cls(values["name"], *(tuple(values[key]) for key in ("labels", "polarity", "wheel")))

    def __len__(self) -> int:
        return len(self.labels)

    def index(self, label: str) -> int:
        """Position of `label` among the labels, compared as `clean` writes it.

        Raises:
            ValueError: if the label is unknown; the message names one that is spelled similarly.
        """
        key = clean(label)
        if key in self.labels:
            return self.labels.index(key)
        # Below this similarity a suggestion would be a guess: `sadness` for `happiness`.
        nearest = difflib.get_close_matches(key, self.labels, n=1, cutoff=0.65)
        suggestion = f"did you mean {nearest[0]!r}? " if nearest else ""
        raise ValueError(
            f"unknown emotion {label!r}; {suggestion}{self.name} knows: {', '.join(self.labels)}"
        )

    def similar(self, label: str) -> tuple[str, ...]:
        """The neighbours of `label` on the wheel that share its polarity; at most two.

        Without the polarity, fear would be paired with excitement, which classifiers hold to be
        opposites.
        """
        if label not in self.wheel:
            return ()
        position = self.wheel.index(label)
        neighbours = (self.wheel[position - 1], self.wheel[(position + 1) % len(self.wheel)])
        polarity = dict(zip(self.labels, self.polarity, strict=True))
        similar = [
            name for name in neighbours if name != label and polarity[name] == polarity[label]
        ]
        return tuple(dict.fromkeys(similar))
