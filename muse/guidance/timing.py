"""WHEN: the denoising step at which emotional guidance sets in, decided per sample by image-text similarity.

Too early the picture is not there yet and the emotion displaces the content; too late the light and
palette are settled.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

from muse.method import Method


class Timing(Protocol):
    """A policy for the start of guidance.

    Attributes:
        bare: whether the picture that is looked at is the one-step x0 without the prompt (under the negative one, as
            classifier-free guidance asks for it anyway) instead of with it.
    """

    @property
    def bare(self) -> bool: ...

    def starts(self, curve: Sequence[float], progress: float) -> bool:
        """Whether guidance starts at this step.

        Args:
            curve: similarity of that picture to the plain prompt, one per step so far, this one last.
            progress: share of the denoising steps done, in [0, 1).
        """
        ...


@dataclass(frozen=True)
class Fixed:
    """Start once this share of the steps is done; 0 is the first step."""

    at: float = 0.0
    bare: ClassVar[bool] = False

    def starts(self, curve: Sequence[float], progress: float) -> bool:
        return progress >= self.at


@dataclass(frozen=True)
class Threshold:
    """Start when the similarity has reached `level`, at the latest after share `latest` of the steps: s_t >= level
    (MUSE, arXiv 2511.21051; its level is not published).

    With the prompt the picture resembles it from early on, whatever the latents hold. `bare`, our choice, asks whether
    they hold the content already, so that words that would displace it come too late for that.
    """

    level: float
    latest: float = 0.5
    bare: bool = False

    def starts(self, curve: Sequence[float], progress: float) -> bool:
        return curve[-1] >= self.level or progress >= self.latest


@dataclass(frozen=True)
class Plateau:
    """Start when the similarity has risen by less than `rise` in a step, at the latest after share `latest`.

    s_t - s_{t-1} < rise: our choice beside the threshold; MUSE's own rule (arXiv 2511.21051) is not published.
    """

    rise: float = 0.02
    latest: float = 0.5
    bare: ClassVar[bool] = False

    def starts(self, curve: Sequence[float], progress: float) -> bool:
        settled = len(curve) > 1 and curve[-1] - curve[-2] < self.rise
        return settled or progress >= self.latest


def timing_of(method: Method) -> Timing | None:
    """The method's policy: `fixed` (at its level), `threshold`, `settled` (the same without the prompt), `plateau`, or
    `never` (None: plain sampling)."""
    level, latest = method.timing_level, method.timing_latest
    policies: dict[str, Timing | None] = {
        "fixed": Fixed(level),
        "threshold": Threshold(level, latest),
        "settled": Threshold(level, latest, bare=True),
        "plateau": Plateau(level, latest),
        "never": None,
    }
    return policies[method.timing]
