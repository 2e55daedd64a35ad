"""Emotions: taxonomies, polarity, the wheel, and targets (one emotion or a mixture).

Labels are always matched by name, never by index: public data sets order them differently.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Taxonomy:
    """A closed, ordered set of emotions.

    Attributes:
        name: what it is called in messages.
        labels: emotion names, in small letters; their order is the order of every logit and distribution.
        polarity: +1 (pleasant), -1 (unpleasant) or 0 for each label.
        wheel: labels in circular order of likeness. A label that is like no other, as neutral, is left out.

    Raises:
        ValueError: any of these does not fit the others.
    """

    name: str
    labels: tuple[str, ...]
    polarity: tuple[int, ...]
    wheel: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.name.strip():
            raise ValueError("name is empty; give the taxonomy a name")
        if len(self.labels) < 2:
            raise ValueError(f"labels has {len(self.labels)}; name at least two emotions")
        for label in self.labels:
            if not label or label != label.strip().lower():
                raise ValueError(
                    f"labels: {label!r} must be in small letters, without spaces around it"
                )
        for field, names in (("labels", self.labels), ("wheel", self.wheel)):
            if twice := sorted({name for name in names if names.count(name) > 1}):
                raise ValueError(f"{field} names {', '.join(twice)} twice; name each once")
        if len(self.polarity) != len(self.labels) or not set(self.polarity) <= {-1, 0, 1}:
            raise ValueError(
                f"polarity is {list(self.polarity)}; give 1, 0 or -1 for each of the {len(self.labels)} labels, "
                "in their order"
            )
        if strange := [name for name in self.wheel if name not in self.labels]:
            raise ValueError(
                f"wheel names {', '.join(strange)}; it may hold the labels alone: {', '.join(self.labels)}"
            )

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Taxonomy:
        """A taxonomy from plain data: a table of a file, or what `dataclasses.asdict` made of one.

        Raises:
            ValueError: a key that is missing, unknown or of a wrong type, or values that do not fit each other.
        """
        kinds = {"name": str, "labels": str, "polarity": int, "wheel": str}
        if wrong := sorted({*kinds} ^ {*values}):
            raise ValueError(
                f"{', '.join(wrong)}: missing or unknown; a taxonomy has {', '.join(kinds)}"
            )
        for key, kind in kinds.items():
            parts = [values[key]] if key == "name" else values[key]
            if isinstance(parts, str) or not all(type(part) is kind for part in parts):
                raise ValueError(
                    f"{key} is {values[key]!r}; give {'text' if key == 'name' else f'a list of {kind.__name__}'}"
                )
        return cls(values["name"], *(tuple(values[key]) for key in ("labels", "polarity", "wheel")))

    def __len__(self) -> int:
        return len(self.labels)

    def index(self, label: str) -> int:
        """Position of `label`.

        Raises:
            ValueError: unknown label; the message names the nearest known one.
        """
        key = label.strip().lower()
        if key in self.labels:
            return self.labels.index(key)
        near = difflib.get_close_matches(key, self.labels, n=1, cutoff=0.0)
        raise ValueError(
            f"unknown emotion {label!r}; did you mean {near[0]!r}? {self.name} knows: {', '.join(self.labels)}"
        )

    def similar(self, label: str) -> tuple[str, ...]:
        """The neighbours of `label` on the wheel that share its polarity.

        Raw neighbours would pair fear with excitement, which classifiers hold to be opposites.
        """
        if label not in self.wheel:
            return ()
        here = self.wheel.index(label)
        sides = (self.wheel[here - 1], self.wheel[(here + 1) % len(self.wheel)])
        sign = self.polarity[self.index(label)]
        alike = (
            side for side in sides if side != label and self.polarity[self.index(side)] == sign
        )
        return tuple(dict.fromkeys(alike))


MIKELS = Taxonomy(
    name="mikels-8",
    # EmoSet's label order.
    labels=("amusement", "awe", "contentment", "excitement", "anger", "disgust", "fear", "sadness"),
    polarity=(1, 1, 1, 1, -1, -1, -1, -1),
    wheel=("fear", "excitement", "awe", "contentment", "amusement", "anger", "disgust", "sadness"),
)


@dataclass(frozen=True)
class Target:
    """What an image shall evoke: weights over a taxonomy that sum to one.

    Attributes:
        weights: one weight per label of the taxonomy, in its order, each >= 0, sum 1.
        taxonomy: the taxonomy that the weights refer to.
    """

    weights: tuple[float, ...]
    taxonomy: Taxonomy = MIKELS

    @classmethod
    def of(cls, emotion: str | Mapping[str, float], taxonomy: Taxonomy = MIKELS) -> Target:
        """A target from an emotion's name, or from a map of names to weights.

        Raises:
            ValueError: unknown name, negative weight, or weights that do not sum to 1 (within 1e-3).
        """
        parts = {emotion: 1.0} if isinstance(emotion, str) else dict(emotion)
        weights = [0.0] * len(taxonomy)
        for name, weight in parts.items():
            if not (isinstance(weight, (int, float)) and math.isfinite(weight) and weight >= 0):
                raise ValueError(f"the weight of {name!r} is {weight!r}; give a number from 0 to 1")
            weights[taxonomy.index(name)] += float(weight)
        total = sum(weights)
        if abs(total - 1.0) > 1e-3:
            raise ValueError(f"the weights sum to {total:g}; they must sum to 1")
        return cls(tuple(weight / total for weight in weights), taxonomy)

    @property
    def members(self) -> tuple[str, ...]:
        """Labels with weight, heaviest first (ties in the taxonomy's order)."""
        ranked = sorted(range(len(self.weights)), key=lambda i: -self.weights[i])
        return tuple(self.taxonomy.labels[i] for i in ranked if self.weights[i] > 0)

    @property
    def name(self) -> str:
        """`awe`, or `awe 0.6 + fear 0.4` for a mixture."""
        if len(self.members) == 1:
            return self.members[0]
        parts = ((label, self.weights[self.taxonomy.index(label)]) for label in self.members)
        return " + ".join(f"{label} {weight:g}" for label, weight in parts)

    def words(self) -> str:
        """The emotions as one says them in a prompt: `awe and fear`."""
        return " and ".join(self.members)

    def confidence(self, probabilities: Sequence[float], multi_label: bool = False) -> float:
        """How much a classifier's `probabilities` confirm this target, in [0, 1].

        For one emotion its probability. For a mixture the overlap sum(min(p_i, w_i)): 1 only if the
        probabilities match the weights, and never above the mass on the members.

        Args:
            multi_label: each emotion is probable by itself (see `muse.emotions.probabilities.Probabilities`). All may be certain together, so that
                weights are no measure of them: a mixture is confirmed as far as its least probable member is.
        """
        members = [p for p, w in zip(probabilities, self.weights, strict=True) if w > 0]
        if multi_label or len(members) == 1:
            return float(min(members))
        return float(sum(min(p, w) for p, w in zip(probabilities, self.weights, strict=True)))
