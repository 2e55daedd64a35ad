"""An engine without a model: images and scores from the seed alone. For tests and dry runs.

All other parts of a run are the real ones: planning, workers, verdicts, batches, shards.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from PIL import Image

from muse.sizes import ModelSizes, Size
from pipeline.config_tables import Faults
from pipeline.generation.engines.engine import EngineInput, EngineOutput, Scores

if TYPE_CHECKING:
    from numpy.random import Generator

SIDE, CELLS = 64, 8
SIZES = ModelSizes(Size(SIDE, SIDE), CELLS)
KILL, HANG, RAISE, NAN = "(kills its worker)", "(hangs)", "(raises)", "(judge gives NaN)"
"""With `prompts`, a prompt that contains one of these makes that happen."""


class NullEngine:
    """Makes images of coloured cells; the confidence of its judge is uniform in [0, 1]."""

    sizes = SIZES

    def __init__(self, settings: Faults):
        self.settings = settings

    def draw(self, requests: Sequence[EngineInput]) -> list[EngineOutput]:
        """An image for each request that depends on that request alone."""
        self.try_memory(len(requests), SIZES.own)
        return [self._draw_one(request) for request in requests]

    def try_memory(self, count: int, size: Size) -> None:
        """
        Raises:
            MemoryError: more requests than the settings have memory for.
        """
        if self.settings.memory and count > self.settings.memory:
            raise MemoryError(f"memory for {self.settings.memory}, but {count} requests were given")

    def _draw_one(self, request: EngineInput) -> EngineOutput:
        if self.settings.prompts:
            _fault(request.planned.prompt)
        if self.settings.delay:
            time.sleep(self.settings.delay)
        rng = _generator(request)
        if rng.random() < self.settings.failures:
            return EngineOutput(None, failure="the null engine failed, as injected")
        image = _cells(rng, request.size or SIZES.own)
        if request.image is not None:
            image = Image.blend(request.image, image, 0.5)
            if request.mask is not None:
                image = Image.composite(image, request.image, request.mask)
        judge, guide = (_probabilities(rng, request.target.weights) for _ in range(2))
        if self.settings.prompts and NAN in request.planned.prompt:
            judge = [float("nan")] * len(judge)
        judge_scores, guide_scores = (
            Scores(p, request.target.confidence(p)) for p in (judge, guide)
        )
        similarity = float(rng.random())
        source_similarity = None if request.image is None else float(rng.random())
        return EngineOutput(image, judge_scores, guide_scores, similarity, source_similarity)


def _generator(request: EngineInput) -> Generator:
    """Seeded by the seed and the key: a row's own seed serves all its emotions."""
    import numpy as np

    planned = request.planned
    return np.random.default_rng([planned.seed, int(planned.key)])


def _cells(rng: Generator, size: Size) -> Image.Image:
    import numpy as np

    cells = Image.fromarray(rng.integers(0, 256, (CELLS, CELLS, 3), dtype=np.uint8))
    return cells.resize((size.width, size.height), Image.Resampling.NEAREST)


def _probabilities(rng: Generator, weights: Sequence[float]) -> list[float]:
    """A uniform share in [0, 1] for the target, by its weights; the rest for the other labels."""
    share = float(rng.random())
    others = sum(weight == 0 for weight in weights)
    if not others:
        return list(weights)
    return [share * weight if weight else (1 - share) / others for weight in weights]


def _fault(prompt: str) -> None:
    """Make the fault that the prompt names."""
    if KILL in prompt:
        os.kill(os.getpid(), signal.SIGKILL)
    if HANG in prompt:
        time.sleep(1e6)
    if RAISE in prompt:
        raise RuntimeError("the null engine raised, as the prompt asks")
