"""The protocol that all classifiers keep, and what those of one model have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Protocol

import torch
from torch import Tensor, nn

from muse.classifiers.preprocessing import Preprocessing
from muse.emotions import Taxonomy
from muse.emotions.labels import assignment
from muse.emotions.probabilities import Probabilities


class EmotionClassifier(Protocol):
    """What guides, judges or examines."""

    taxonomy: Taxonomy

    def probs(self, pixels: Tensor) -> Probabilities:
        """How probable each emotion is, (b, len(taxonomy)), float32, in the taxonomy's order.

        Args:
            pixels: float (b, 3, h, w) in [0, 1], RGB. Values slightly outside are let through, so that
                gradients live where a decoder overshoots.
        """
        ...


class ImageClassifier(nn.Module, ABC):
    """A frozen model with its own preprocessing, labels and temperature, read under the names of a taxonomy.

    Labels are matched by name. Where several stand for one emotion their probabilities add up; one that is
    left out takes its share away, and the rest sum to one again. With `multi_label` an image may have several
    emotions, each probable by itself; what adds up are then the odds P / (1 - P), and none takes from another.
    """

    def __init__(
        self,
        model: nn.Module,
        preprocessing: Preprocessing,
        labels: Sequence[str],
        taxonomy: Taxonomy,
        label_map: Mapping[str, str] | None = None,
        temperature: float = 1.0,
        multi_label: bool = False,
    ):
        super().__init__()
        if not temperature > 0:
            raise ValueError(f"the temperature is {temperature}; it must be above 0")
        self.model = model.float().eval().requires_grad_(False)
        self.preprocessing, self.taxonomy, self.temperature = preprocessing, taxonomy, temperature
        self.multi_label = multi_label
        mask = torch.full((len(taxonomy), len(labels)), -torch.inf)
        for position, emotion in enumerate(assignment(labels, taxonomy, label_map)):
            if emotion is not None:
                mask[emotion, position] = 0.0
        self.register_buffer("mask", mask, persistent=False)

    @abstractmethod
    def scores(self, seen: Tensor) -> Tensor:
        """Logits (b, labels) over its own labels of prepared pixels."""

    def logits(self, pixels: Tensor) -> Tensor:
        """Logits (b, len(taxonomy)) of those probabilities, float32."""
        scores = self.scores(self.preprocessing(pixels.float())).float() / self.temperature
        # log sum of p over the labels of an emotion, up to one constant a row; a single label's comes out exactly.
        return torch.logsumexp(scores[:, None, :] + self.mask, dim=-1)

    def probs(self, pixels: Tensor) -> Probabilities:
        return (Probabilities.from_sigmoid if self.multi_label else Probabilities.from_softmax)(
            self.logits(pixels)
        )
