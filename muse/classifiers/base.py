"""The protocol of all classifiers, and the base class of those with a single model."""

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
    """A guide, a judge or an examiner."""

    taxonomy: Taxonomy

    def probs(self, pixels: Tensor) -> Probabilities:
        """How probable each emotion is, (b, len(taxonomy)), float32, in the taxonomy's order.

        Args:
            pixels: float (b, 3, h, w) in [0, 1], RGB. Values slightly outside are let through, so
                that gradients do not vanish where a decoder overshoots.
        """
        ...


class ImageClassifier(nn.Module, ABC):
    """A frozen model with its own preprocessing, labels and temperature, mapped to a taxonomy.

    Labels are matched by name. Where several labels stand for one emotion, their probabilities are
    summed. A label that is left out is dropped, and the others are normalised to sum to 1.
    With `multi_label` an image may have several emotions, independent of each other; then the odds
    P / (1 - P) are summed, and nothing is normalised.
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
    def scores(self, inputs: Tensor) -> Tensor:
        """Logits (b, labels) over its own labels, of preprocessed pixels (b, 3, side, side)."""

    def logits(self, pixels: Tensor) -> Tensor:
        """Logits (b, len(taxonomy)), float32; see `probs` for the arguments."""
        scores = self.scores(self.preprocessing(pixels.float())).float() / self.temperature
        # The log of the sum of p over the labels of an emotion, up to one constant a row.
        return torch.logsumexp(scores[:, None, :] + self.mask, dim=-1)

    def probs(self, pixels: Tensor) -> Probabilities:
        logits = self.logits(pixels)
        if self.multi_label:
            return Probabilities.from_sigmoid(logits)
        return Probabilities.from_softmax(logits)
