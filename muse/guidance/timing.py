"""WHEN: the denoising step at which guidance starts, for each sample by image-text similarity.

Too early there is no picture yet, and the emotion displaces the content; too late light and palette
are fixed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

from muse.method import Method


class Timing(Protocol):
    """A policy for the start of guidance.

    Attributes:
        unconditional: whether the similarity is that of the unconditional one-step x0 (under the
            negative prompt, which classifier-free guidance needs anyway) instead of the one under
            the plain prompt.
    """

    @property
    def unconditional(self) -> bool: ...

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
    unconditional: ClassVar[bool] = False

    def starts(self, curve: Sequence[float], progress: float) -> bool:
        return progress >= self.at


@dataclass(frozen=True)
class Threshold:
    """Start when the similarity has reached `level`, at the latest after the share `latest`.

    s_t >= level (MUSE, arXiv 2511.21051; its level is not published). Under the prompt the
    prediction resembles it from early on, whatever the latents hold. With `unconditional`, our
    choice, the policy asks whether the latents hold the content already, so that words which would
    displace it come too late to do so.
    """

    level: float
    latest: float = 0.5
    unconditional: bool = False

    def starts(self, curve: Sequence[float], progress: float) -> bool:
        return curve[-1] >= self.level or progress >= self.latest


@dataclass(frozen=True)
class Plateau:
    """Start when the similarity rose by less than `rise`, at the latest after the share `latest`.

    s_t - s_{t-1} < rise: our choice beside the threshold; MUSE's own rule (arXiv 2511.21051) is not
    published.
    """

    rise: float = 0.02
    latest: float = 0.5
    unconditional: ClassVar[bool] = False

    def starts(self, curve: Sequence[float], progress: float) -> bool:
        flat = len(curve) > 1 and curve[-1] - curve[-2] < self.rise
        return flat or progress >= self.latest


def timing_of(method: Method) -> Timing | None:
    """The policy that `method.timing` names; None for `never`, which is plain sampling."""
    level, latest = method.timing_level, method.timing_latest
    policies: dict[str, Timing | None] = {
        "fixed": Fixed(level),
        "threshold": Threshold(level, latest),
        "unconditional_threshold": Threshold(level, latest, unconditional=True),
        "plateau": Plateau(level, latest),
        "never": None,
    }
    return policies[method.timing]


def may_start(method: Method) -> bool:
    """Whether guidance can start at any step. Otherwise prompts have no emotional tokens."""
    policy = timing_of(method)
    # A fixed start may lie behind the last step.
    if isinstance(policy, Fixed):
        return policy.starts((), (method.steps - 1) / method.steps)
    return policy is not None
