"""A target: the emotion, or the mixture of emotions, that an image is to evoke."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from muse.emotions.taxonomies import MIKELS
from muse.emotions.taxonomy import Taxonomy


@dataclass(frozen=True)
class Target:
    """What an image is to evoke: weights over a taxonomy that sum to 1.

    Attributes:
        weights: one weight for each label of the taxonomy, in its order, each >= 0, sum 1.
        taxonomy: the taxonomy that the weights refer to.
    """

    weights: tuple[float, ...]
    taxonomy: Taxonomy = MIKELS

    @classmethod
    def of(cls, emotion: str | Mapping[str, float], taxonomy: Taxonomy = MIKELS) -> Target:
        """A target from the name of an emotion, or from a map of names to weights.

        Raises:
            ValueError: if a name is unknown or there twice, a weight is negative or not finite, or
                the weights do not sum to 1 (within 1e-3).
        """
        members = {emotion: 1.0} if isinstance(emotion, str) else dict(emotion)
        weights = [0.0] * len(taxonomy)
        seen: set[int] = set()
        for name, weight in members.items():
            if not (isinstance(weight, (int, float)) and math.isfinite(weight) and weight >= 0):
                raise ValueError(f"the weight of {name!r} is {weight!r}; give a number from 0 to 1")
            index = taxonomy.index(name)
            if index in seen:
                raise ValueError(f"names {taxonomy.labels[index]!r} twice; name it once")
            seen.add(index)
            weights[index] = float(weight)
        total = sum(weights)
        if abs(total - 1.0) > 1e-3:
            raise ValueError(f"the weights sum to {total:g}; they must sum to 1")
        return cls(tuple(weight / total for weight in weights), taxonomy)

    @property
    def members(self) -> tuple[str, ...]:
        """Labels with a weight above 0, heaviest first (ties in the taxonomy's order)."""
        ranked = sorted(range(len(self.weights)), key=lambda i: -self.weights[i])
        return tuple(self.taxonomy.labels[i] for i in ranked if self.weights[i] > 0)

    @property
    def name(self) -> str:
        """`awe`, or `awe 0.6 + fear 0.4` for a mixture."""
        if len(self.members) == 1:
            return self.members[0]
        weights = dict(zip(self.taxonomy.labels, self.weights, strict=True))
        return " + ".join(f"{label} {weights[label]:g}" for label in self.members)

    def words(self) -> str:
        """The emotions as they stand in a prompt: `awe and fear`."""
        return " and ".join(self.members)

    def confidence(self, probabilities: Sequence[float], multi_label: bool = False) -> float:
        """How far a classifier's `probabilities` confirm this target, in [0, 1].

        For one emotion this is its probability. For a mixture it is the overlap
        sum_i min(p_i, w_i): 1 only if the probabilities match the weights, and never more than the
        probability of the members together.

        Args:
            probabilities: one in [0, 1] for each label of the taxonomy, in its order.
            multi_label: whether each emotion is probable by itself (see
                `muse.emotions.probabilities.Probabilities`). All of them may then be certain at
                once, so that the weights do not measure them: a mixture is confirmed as far as its
                least probable member is.
        """
        pairs = list(zip(probabilities, self.weights, strict=True))
        members = [p for p, weight in pairs if weight > 0]
        if multi_label or len(members) == 1:
            return float(min(members))
        return float(sum(min(p, weight) for p, weight in pairs))
