"""MUSE for many requests at once, each at its own step, with its own tokens and its own end.

A few slots are open at a time. One tick gives every open row what it needs next: rows that optimise
share one pass with gradients, rows that denoise share one without, at whatever steps they stand. A
finished row leaves its slot to the next request of the batch, so that no pass carries idle rows.
`muse.reference` is the same method, one request at a time, as it reads in the paper.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import replace

import torch

from muse.classifiers import EmotionClassifier
from muse.classifiers.clip import ClipSimilarity
from muse.diffusion.backbones.base import Backbone
from muse.diffusion.schedule.sampler import Schedule
from muse.emotions import Target
from muse.engine.phases import OnStep, tick
from muse.engine.row import Phase, Row
from muse.engine.setup import Setup
from muse.engine.state import BatchState
from muse.guidance.timing import Fixed, may_start
from muse.method import Method
from muse.request import Request, Sample
from muse.sizes import Size


class MuseEngine:
    """Runs MUSE on batches with a frozen diffusion model, a guide and an image-text similarity.

    Args:
        slots: requests on their way at a time, >= 0; 0 for all of a batch.

    Raises:
        ValueError: if the method's sampler does not fit the backbone.
    """

    def __init__(
        self,
        backbone: Backbone,
        guide: EmotionClassifier,
        clip: ClipSimilarity,
        method: Method,
        slots: int = 0,
    ):
        self.setup, self.slots = Setup.of(backbone, guide, clip, method), slots

    @property
    def schedule(self) -> Schedule:
        """The denoising steps of images of the model's own size."""
        return self.setup.schedule

    @torch.no_grad()
    def run(self, requests: Sequence[Request], on_step: OnStep | None = None) -> list[Sample]:
        """Make every request of the batch, in its order. A row that turns non-finite fails alone.

        All are of one size, which is one that the model makes (see `muse.sizes.ModelSizes`). The
        result is a function of the batch, its order, the slots and the number of threads; other
        batches do not matter.

        Args:
            on_step: called after each denoising step of each row (see `muse.engine.phases.OnStep`).

        Raises:
            ValueError: they are of several sizes, or of one that the model does not make.
        """
        self._check_sizes(requests)
        setup = self.setup.of_size(requests[0].size if requests else None)
        state = BatchState(setup, requests)
        waiting, active = deque(state.rows), list[Row]()
        while waiting or active:
            free = (self.slots or len(requests)) - len(active)
            joining = [waiting.popleft() for _ in range(min(free, len(waiting)))]
            state.start(joining)
            active = [row for row in active + joining if row.phase is not Phase.DONE]
            tick(state, active, on_step)
            active = [row for row in active if row.phase is not Phase.DONE]
        return state.samples()

    @torch.no_grad()
    def try_memory(self, count: int, size: Size | None = None) -> None:
        """Compute what takes the most memory for `count` requests of a size, and forget it.

        That is an evaluation of the guide with its gradient, for as many rows as are open at a
        time, and the decoding of their images.

        Raises:
            torch.OutOfMemoryError: they do not fit.
        """
        setup = self.setup.of_size(size)
        # In a batch, seldom are all rows guided at the same time, and some need no updates.
        if may_start(setup.method):
            method = setup.method.replace(updates="always")
            setup = replace(setup, timing=Fixed(), method=method)
        taxonomy = setup.guide.taxonomy
        request = Request("", Target.of(taxonomy.labels[0], taxonomy), seed=0, size=size)
        state = BatchState(setup, [request] * min(count, self.slots or count))
        state.start(state.rows)
        # Guidance starts in the first of two passes; the guide is evaluated in the second.
        for _ in range(2):
            tick(state, state.rows, None)
        state.samples()

    def _check_sizes(self, requests: Sequence[Request]) -> None:
        sizes = self.setup.backbone.sizes
        wanted = {request.size or sizes.own for request in requests}
        if len(wanted) > 1:
            listed = ", ".join(map(str, sorted(wanted)))
            raise ValueError(f"the requests of a batch are of several sizes: {listed}")
        for size in wanted:
            if problem := sizes.size_problem(size):
                raise ValueError(problem)
