"""What the engine works with: the frozen models, and what follows from the method's parameters."""

from __future__ import annotations

from dataclasses import dataclass

from muse.classifiers import EmotionClassifier
from muse.classifiers.clip import ClipSimilarity
from muse.diffusion.backbones.base import Backbone
from muse.diffusion.sampler import Schedule, make_schedule
from muse.guidance.timing import Timing, timing_of
from muse.method import Method


@dataclass(frozen=True)
class Setup:
    """Models and method of an engine.

    Attributes:
        backbone: the diffusion model.
        guide: the classifier that the loss is computed with.
        clip: image-text similarity, for the timing.
        method: the parameters.
        timing: the policy for the start of guidance; None for plain sampling.
        schedule: the denoising steps.
    """

    backbone: Backbone
    guide: EmotionClassifier
    clip: ClipSimilarity
    method: Method
    timing: Timing | None
    schedule: Schedule

    @classmethod
    def of(
        cls, backbone: Backbone, guide: EmotionClassifier, clip: ClipSimilarity, method: Method
    ) -> Setup:
        """Derive timing and schedule from the method.

        Raises:
            ValueError: if the method's sampler does not fit the backbone (see `make_schedule`).
        """
        schedule = make_schedule(backbone.scheduler_config, method.steps, method.sampler)
        return cls(backbone, guide, clip, method, timing_of(method), schedule)

    def first_edit_step(self) -> int:
        """The step at which an edit's inversion ends.

        Never the very first step, at which some schedules leave no signal at all.
        """
        steps = len(self.schedule)
        return min(max(1, round((1 - self.method.strength) * steps)), steps)

    def may_update(self, step: int) -> bool:
        """Whether tokens are still updated at this step."""
        return step < self.method.guidance_end * len(self.schedule)
