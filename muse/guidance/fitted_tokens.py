"""Emotional tokens that were fitted to a diffusion model: a better start than an emotion's word.

Optimisation finds much the same tokens for an emotion whatever the content. Their mean over a few
images, once per model, leaves little to each new image (docs/method.md). MUSE (arXiv 2511.21051)
starts every image from the word; this is our addition.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from muse.emotions import Target
from muse.guidance.fitted_tokens_file import TokensFile, kept_emotions
from muse.guidance.tokens import shares
from muse.method import Method


@dataclass(frozen=True)
class FittedTokens:
    """Tokens to start with, by emotion.

    Attributes:
        vectors: float32 (k, d) by the name of an emotion, of one d.
        alone: the share of images by them without any update that were accepted, in [0, 1].
    """

    vectors: Mapping[str, Tensor]
    alone: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, file: TokensFile) -> FittedTokens:
        """Those that a file holds."""
        vectors = {name: torch.from_numpy(array) for name, array in file.vectors.items()}
        return cls(vectors, file.alone)

    @classmethod
    def mean_of(cls, found: Sequence[tuple[str, Tensor]]) -> FittedTokens:
        """The mean of the tokens (k, d) that were found for each emotion, in all its images."""
        grouped: dict[str, list[Tensor]] = {}
        for emotion, tokens in found:
            grouped.setdefault(emotion, []).append(tokens)
        return cls({name: torch.stack(rows).mean(0) for name, rows in grouped.items()})

    def start(self, targets: Sequence[Target], words: Tensor) -> Tensor:
        """Tokens to start with (b, k, d): the fitted ones, and words where an emotion has none.

        A member of a mixture has the first of its own, in as many places as `shares` gives it;
        where it has more places than tokens, they repeat.

        Args:
            words: (b, k, d), as `initial_tokens` makes them.
        """
        started = words.clone()
        for row, target in enumerate(targets):
            weights = dict(zip(target.taxonomy.labels, target.weights, strict=True))
            used = Counter[tuple[str, ...]]()
            for place, names in enumerate(shares(target, words.shape[1])):
                number, used[names] = used[names], used[names] + 1
                if not self.vectors.keys() >= {*names}:
                    continue
                parts = []
                for name in names:
                    vectors = self.vectors[name]
                    parts.append(weights[name] * vectors[number % len(vectors)])
                mean = torch.stack(parts).sum(0) / sum(weights[name] for name in names)
                started[row, place] = mean.to(started)
        return started


def keeps_fitted(fitted: FittedTokens | None, method: Method, target: Target) -> bool:
    """Whether the tokens of a target are used as they were fitted; those of a mixture never are.

    Args:
        fitted: those of the model; None if there are none.
    """
    if fitted is None or len(target.members) != 1:
        return False
    return target.members[0] in kept_emotions(fitted.vectors, fitted.alone, method)
