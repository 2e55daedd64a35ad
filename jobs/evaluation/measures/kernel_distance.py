"""How far generated images are from rendered scenes as a whole: the kernel inception distance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from jobs.evaluation.measures.intervals import RESAMPLES, summary


def kernel(x: Tensor, y: Tensor) -> Tensor:
    """k(x, y) = (x . y / d + 1)^3 of features (n, d) and (m, d), (n, m)."""
    return (x @ y.T / x.shape[1] + 1) ** 3


@dataclass(frozen=True)
class Kernels:
    """Kernels of features with themselves (n, n) and (m, m), 0 on the diagonal, and across (n, m).

    An image is never compared with itself.
    """

    one: np.ndarray
    other: np.ndarray
    across: np.ndarray

    @classmethod
    def of(cls, one: Tensor, other: Tensor) -> Kernels:
        """Of features (n, d) and (m, d)."""
        one, other = one.double(), other.double()
        within, real = kernel(one, one).numpy(), kernel(other, other).numpy()
        np.fill_diagonal(within, 0.0)
        np.fill_diagonal(real, 0.0)
        return cls(within, real, kernel(one, other).numpy())

    def distance(self, counts: np.ndarray, others: np.ndarray) -> np.ndarray:
        """The distances (r,) of resamples with these counts of images, (r, n) and (r, m)."""
        mixed = ((counts @ self.across) * others).sum(1) / (counts.sum(1) * others.sum(1))
        return _mean_of_pairs(self.one, counts) + _mean_of_pairs(self.other, others) - 2 * mixed


def kernel_distance(one: Tensor, other: Tensor) -> float:
    """Unbiased kernel inception distance of features (n, d) and (m, d).

    Binkowski et al., "Demystifying MMD GANs" (arXiv 1801.01401), on the features of a CLIP instead
    of Inception's. Not FID, which is biased below some thousands of images.
    """
    whole = np.ones((1, len(one))), np.ones((1, len(other)))
    return float(Kernels.of(one, other).distance(*whole)[0])


def kernel_interval(one: Tensor, other: Tensor) -> dict[str, Any]:
    """`kernel_distance` in thousandths, as is usual, with its interval over resampled images."""
    rng, kernels = np.random.default_rng(0), Kernels.of(one, other)
    resampled = kernels.distance(_draws(rng, len(one)), _draws(rng, len(other)))
    return summary(1000 * kernel_distance(one, other), 1000 * resampled, len(one))


def _draws(rng: np.random.Generator, count: int) -> np.ndarray:
    """How often each of `count` images is in a resample, (RESAMPLES, count)."""
    return rng.multinomial(count, np.full(count, 1 / count), RESAMPLES).astype(float)


def _mean_of_pairs(values: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """The mean (r,) of `values` (n, n), whose diagonal is 0, over pairs of different images."""
    pairs = counts.sum(1) ** 2 - (counts**2).sum(1)
    return ((counts @ values) * counts).sum(1) / np.maximum(pairs, 1.0)
