"""MUSE for many requests at once. Each has its own step, tokens, iterations and end.

A few slots are open at a time. One `tick` gives every open request what it needs next: those that
optimise share one pass with gradients, those that denoise share one without, at whatever steps they
stand. A finished request leaves its slot to the next of the batch, so no pass carries idle rows.
`muse.reference` is the same method, one request at a time, as it reads in the paper.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import torch

from muse.classifiers import EmotionClassifier
from muse.classifiers.clip import ClipSimilarity
from muse.diffusion.backbones.base import Backbone
from muse.diffusion.sampler import make_schedule
from muse.guidance.timing import timing_of
from muse.method import Method
from muse.request import Phase, Request, Row, Sample
from muse.state import Batch, OnStep


class MuseEngine:
    """Runs MUSE on batches with a frozen backbone, a guide and an image-text similarity.

    Args:
        slots: requests on their way at a time; 0 for all of a batch.
    """

    def __init__(
        self,
        backbone: Backbone,
        guide: EmotionClassifier,
        clip: ClipSimilarity,
        method: Method,
        slots: int = 0,
    ):
        self.backbone, self.guide, self.clip, self.method, self.slots = (
            backbone,
            guide,
            clip,
            method,
            slots,
        )
        self.timing = timing_of(method)
        self.schedule = make_schedule(backbone.scheduler_config, method.steps, method.sampler)

    @torch.no_grad()
    def run(self, requests: Sequence[Request], on_step: OnStep | None = None) -> list[Sample]:
        """Make every request of the batch. A row that turns non-finite fails alone.

        The result is a function of the batch, its order, the slots and the number of threads; other
        batches do not matter.
        """
        batch = Batch(self, requests, on_step)
        waiting, active = deque(batch.rows), list[Row]()
        while waiting or active:
            free = (self.slots or len(requests)) - len(active)
            joining = [waiting.popleft() for _ in range(min(free, len(waiting)))]
            batch.join(joining)
            active = [row for row in active + joining if row.phase is not Phase.DONE]
            batch.tick(active)
            active = [row for row in active if row.phase is not Phase.DONE]
        return batch.finish()
