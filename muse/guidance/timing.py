"""WHEN: the denoising step at which guidance starts, for each sample by image-text similarity.

Too early there is no picture yet, and the emotion displaces the content; too late light and palette
are fixed. Where a term of the loss keeps the content (`muse.guidance.content`), nothing is too
early.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from muse.guidance.content_levels import UNKNOWN, ContentLevels
from muse.method import Method

LEVEL = 0.3
"""Of a threshold where neither the method nor the CLIP names one; an image and its caption have
about that under published CLIPs."""


class Timing(Protocol):
    """A policy for the start of guidance."""

    def starts(self, curve: Sequence[float], progress: float) -> bool:
        """Whether guidance starts at this step.

        Args:
            curve: similarity of the one-step x0 to the plain prompt, in [-1, 1], one entry for each
                step so far, this one last.
            progress: share of the denoising steps done, in [0, 1).
        """
        ...


@dataclass(frozen=True)
class Fixed:
    """Start once the share `at` of the steps is done, in [0, 1]; 0 is the first step."""

    at: float = 0.0

    def starts(self, curve: Sequence[float], progress: float) -> bool:
        return progress >= self.at


@dataclass(frozen=True)
class Threshold:
    """Start when the similarity has reached `level`, at the latest after the share `latest`.

    s_t >= level (MUSE, arXiv 2511.21051; its level is not published).
    """

    level: float
    latest: float = 0.3

    def starts(self, curve: Sequence[float], progress: float) -> bool:
        return curve[-1] >= self.level or progress >= self.latest


def timing_of(method: Method, levels: ContentLevels = UNKNOWN) -> Timing | None:
    """The policy that `method.timing` names; None for `never`, which is plain sampling.

    Args:
        levels: of the CLIP that steers.
    """
    if method.timing == "never":
        return None
    if method.timing == "fixed":
        return Fixed(method.timing_level)
    # What keeps the content makes waiting for it needless.
    is_kept = method.content_weight > 0 and levels.of(method).content_similarity is not None
    if method.timing == "auto" and is_kept:
        return Fixed()
    return Threshold(method.timing_level or levels.timing_level or LEVEL, method.timing_latest)


def may_start(method: Method) -> bool:
    """Whether guidance can start at any step. Otherwise prompts have no emotional tokens."""
    policy = timing_of(method)
    # A fixed start may lie behind the last step.
    if isinstance(policy, Fixed):
        return policy.starts((), (method.steps - 1) / method.steps)
    return policy is not None
